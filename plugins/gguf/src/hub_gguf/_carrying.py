"""What of a model a plan puts under hub., because GGUF has no place for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

from hub import codecs
from hub.errors import HubError
from hub.interface import Fact
from hub.ir import Change, Config, Tensor
from hub_gguf import _carried as carried
from hub_gguf._block import SMALL
from hub_gguf._draft import Draft, Keys, read_again
from hub_gguf._encodings import narrowed
from hub_gguf._read import config_json
from hub_gguf.arch import Canonical
from hub_gguf.container import Value

# A tensor that llama.cpp has no place for is carried up to this many bytes.
LARGEST_CARRIED = 1 << 24


def with_carried(draft: Draft) -> Keys:
    """All keys, those under hub. last."""
    back = read_again(draft, draft.keys)
    extra = dict(_files(draft))
    extra |= _config_key(draft, extra, back.config) | _ties_key(draft) | _tensor_keys(draft, back)
    return draft.keys | extra | ({carried.GUARD: carried.guard(draft.keys)} if extra else {})


def _files(draft: Draft) -> Iterable[tuple[str, Value]]:
    """Companion files and other formats' blocks; with a block of our own, only those that its file carried."""
    for name, data in draft.model.files.items():
        if len(data) > carried.LARGEST:
            draft.facts.append(Fact(f"file {name}", "dropped", f"{len(data)} bytes are too many to carry"))
        elif _wanted(draft, carried.FILE + name):
            yield carried.FILE + name, carried.packed(data)
    for name, block in draft.model.source.get().items():
        if name != "gguf" and _wanted(draft, carried.SOURCE + name):
            yield carried.SOURCE + name, carried.packed_json(block)


def _wanted(draft: Draft, key: str, why: str = "") -> bool:
    name = key.removeprefix(carried.PREFIX).replace(".", " ", 1)
    if draft.block is not None and key not in draft.block.carried:
        draft.facts.append(Fact(name, "dropped", "made from this GGUF's own keys on the way"))
        return False
    draft.facts.append(Fact(name, "kept", f"{why}{'; ' if why else ''}verbatim in {key}"))
    return True


def _config_key(draft: Draft, extra: Mapping[str, Value], derived: Config) -> Keys:
    found: Any = dict(derived)
    if carried.FILE + "config.json" in extra:
        found = config_json(draft.model.files["config.json"])
    wanted = dict(draft.model.config)
    return {} if found == wanted else {carried.CONFIG: carried.packed_json(wanted)}


def _ties_key(draft: Draft) -> Keys:
    """Ties that the tables do not know of: those of an architecture that is in none."""
    own = draft.model.naming == "native" and draft.model.ties
    return {carried.TIES: carried.packed_json(dict(draft.model.ties))} if own else {}


def _tensor_keys(draft: Draft, back: Canonical) -> Keys:
    """How each tensor gets back its encoding, and its bytes where values do not invert or llama.cpp has no place."""
    records: dict[str, Mapping[str, Any]] = {}
    keys: Keys = {}
    for name, why in draft.dropped.items():
        tensor, key = draft.model.tensors[name], carried.TENSOR + name
        if tensor.nbytes > LARGEST_CARRIED:
            draft.facts.append(Fact(f"tensor {name}", "dropped", why))
        elif _wanted(draft, key, why):
            records[name] = {"encoding": tensor.encoding.name, "shape": list(tensor.shape)}
            keys[key] = carried.packed_tensor(tensor)
    for planned in draft.tensors:
        if planned.change is Change.EXACT:
            found = {name: _record(draft.model.tensors[name], back.tensors.get(name)) for name in planned.sources}
            records |= {name: record for name, record in found.items() if record is not None}
    return keys | ({carried.TENSORS: carried.packed_json(records)} if records else {})


def _record(tensor: Tensor, back: Tensor | None) -> Mapping[str, Any] | None:
    if back is None or back.shape != tensor.shape:
        return None
    record = {"encoding": tensor.encoding.name}
    if tensor.nbytes > SMALL:  # only widened: narrowing is checked when it is read
        numbers = not tensor.encoding.quantized and codecs.can_encode(tensor.encoding)
        return record if numbers and back.encoding != tensor.encoding else None
    data, made = tensor.read(), back.read()
    if made == data and back.encoding == tensor.encoding:
        return None
    if back.encoding != tensor.encoding and _narrows(back, tensor, data):
        return record
    return record | {"base64": carried.to_base64(data), "crc32": crc32(made)}


def _narrows(back: Tensor, tensor: Tensor, data: bytes) -> bool:
    if tensor.encoding.flat:  # its blocks do not follow the rows
        return False
    try:
        return narrowed(back, tensor.encoding).read() == data
    except HubError:
        return False
