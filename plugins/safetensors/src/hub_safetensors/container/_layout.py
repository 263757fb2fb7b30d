"""Writing the header, byte for byte as the reference library would."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hub_safetensors.container._header import DTYPES, METADATA, Entry

# The library puts wide types first, so that every tensor lies at a multiple of its own width, then sorts by name.
_RANK = {dtype: -rank for rank, dtype in enumerate(DTYPES)}


def arrange(entries: Iterable[Entry]) -> list[Entry]:
    """The entries one after another in the order of the reference library: by type, widest first, then by name."""
    placed, at = [], 0
    for entry in sorted(entries, key=lambda e: (_RANK[e.dtype], e.name)):
        placed.append(replace(entry, start=at, stop=at + entry.stop - entry.start))
        at = placed[-1].stop
    return placed


def header_bytes(entries: Sequence[Entry], metadata: Mapping[str, str]) -> bytes:
    """The header's JSON without its length: metadata first, no blanks, padded with spaces to a multiple of 8."""
    fields: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
    for e in entries:
        fields[e.name] = {"dtype": e.dtype, "shape": e.shape, "data_offsets": (e.start, e.stop)}
    raw = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return raw + b" " * (-len(raw) % 8)
