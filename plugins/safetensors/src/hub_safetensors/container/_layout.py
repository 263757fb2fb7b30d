"""Writing the header, byte for byte as the reference library would."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from hub.ir import Tensor
from hub_safetensors.container._header import DTYPES, METADATA, Entry

# The library puts wide types first, so that every tensor lies at a multiple of its own width, then sorts by name.
_RANK = {dtype: -rank for rank, dtype in enumerate(DTYPES)}


def arrange(tensors: Iterable[Tensor]) -> list[Entry]:
    """Where each tensor goes, in the order of the reference library: by type, widest first, then by name."""
    entries, at = [], 0
    for tensor in sorted(tensors, key=lambda t: (_RANK[t.encoding.name], t.name)):
        entries.append(Entry(tensor.name, tensor.encoding.name, tensor.shape, at, at + tensor.nbytes))
        at += tensor.nbytes
    return entries


def header_bytes(entries: Sequence[Entry], metadata: Mapping[str, str]) -> bytes:
    """The header's JSON without its length: metadata first, no blanks, padded with spaces to a multiple of 8."""
    fields: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
    for e in entries:
        fields[e.name] = {"dtype": e.dtype, "shape": e.shape, "data_offsets": (e.start, e.stop)}
    raw = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return raw + b" " * (-len(raw) % 8)
