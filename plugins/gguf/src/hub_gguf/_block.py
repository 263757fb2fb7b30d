"""The source block "gguf" as a whole: made from an opened file, applied to what is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from zlib import crc32

from hub import codecs
from hub.errors import DamagedFile, HubError
from hub.interface import PlannedTensor
from hub.ir import ENCODINGS, Change, MemoryRows, Model, Tensor, Tokenizer
from hub_gguf import _carried as carried
from hub_gguf._encodings import fitted
from hub_gguf._source import Json, keys_from_json, keys_to_json
from hub_gguf._tokenizer import tokenizer_keys
from hub_gguf.arch import from_canonical
from hub_gguf.container import TYPE_IDS, VERSIONS, Value

if TYPE_CHECKING:
    from hub_gguf._read import Opened

# Larger tensors are never copied into a block; those whose values change on the way are norms and rope factors.
SMALL = 1 << 18


@dataclass(frozen=True)
class Block:
    """A block read back: the file's keys, and for each of its tensors what `make_block` wrote."""

    version: int
    keys: Mapping[str, Value]
    tensors: Mapping[str, Json]
    carried: frozenset[str]

    def encoding(self, name: str) -> str | None:
        """The encoding the file had `name` in; None when it did not have it."""
        entry = self.tensors.get(name)
        return None if entry is None else str(entry["encoding"])


def make_block(opened: Opened, model: Model) -> Json:
    """What is needed to write `opened` again key for key and tensor for tensor, given `model` as it was read."""
    tokenizer = model.tokenizer.get() if "tokenizer.ggml.model" in opened.keys else None
    return {
        "version": opened.parts[0].version,
        "keys": keys_to_json(carried.own(opened.keys), _regenerated(tokenizer)),
        "tensors": _entries(opened.tensors, model),
        "carried": [key for key in opened.keys if key.startswith(carried.PREFIX)],
    }


def read_block(model: Model, tokenizer: Tokenizer | None) -> Block | None:
    """The block of the GGUF that `model` came from, if it came from one; `DamagedFile` when it is malformed."""
    found = model.source.get().get("gguf")
    if found is None:
        return None
    try:
        keys = keys_from_json(found["keys"], _regenerated(tokenizer))
        tensors = {str(entry["name"]): dict(entry) for entry in found["tensors"]}
        block = Block(int(found["version"]), keys, tensors, frozenset(map(str, found["carried"])))
        if any(entry["encoding"] not in TYPE_IDS for entry in tensors.values()):
            raise ValueError("an encoding that GGUF has not")
        if block.version not in VERSIONS:
            raise ValueError(f"version {block.version}")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"the carried GGUF block is malformed: {error!r}") from error
    return block


def _regenerated(tokenizer: Tokenizer | None) -> dict[str, Value]:
    return {} if tokenizer is None else tokenizer_keys(tokenizer)


def _entries(originals: Mapping[str, Tensor], model: Model) -> list[Json]:
    plain: dict[str, Json] = {name: {"name": name, "encoding": t.encoding.name} for name, t in originals.items()}
    if model.naming == "native":
        return list(plain.values())
    again = _planned_again(model, Block(0, {}, plain, frozenset()))
    return [plain[name] | _bytes(tensor, again.get(name)) for name, tensor in originals.items()]


def _planned_again(model: Model, block: Block) -> dict[str, Tensor]:
    """The tensors that writing `model` would give, its small computed ones settled, so that nothing is undone."""
    settled = replace(model, tensors={name: settle(tensor) for name, tensor in model.tensors.items()})
    try:
        planned = from_canonical(settled).tensors
    except HubError:  # what cannot be planned is all put back from its bytes, as far as they are small
        return {}
    own_names = {name: tensor for name, tensor in settled.tensors.items() if name in block.tensors}
    return own_names | {p.tensor.name: fit(p, settled, block).tensor for p in planned}


def settle(tensor: Tensor) -> Tensor:
    """The tensor with its bytes in memory, when they are computed and few."""
    if tensor.change < Change.EXACT or tensor.nbytes > SMALL:
        return tensor
    return Tensor.from_bytes(tensor.name, tensor.shape, tensor.encoding, tensor.read())


def _bytes(tensor: Tensor, again: Tensor | None) -> Json:
    """The bytes of `tensor`, when writing it again, as `again`, would not give them."""
    moved = again is not None and again.change < Change.EXACT and not isinstance(again.rows, MemoryRows)
    if moved or tensor.nbytes > SMALL:
        return {}
    data = tensor.read()
    made = b"" if again is None else again.read()
    if made == data:
        return {}
    return {"shape": list(tensor.shape), "base64": carried.to_base64(data), "crc32": crc32(made)}


def put_back(planned: list[PlannedTensor], block: Block) -> list[PlannedTensor]:
    """`planned` in the file's order, with the bytes of tensors that are not computed back exactly.

    A tensor of the file that is not planned at all is put back too, if the block holds its bytes.
    """
    by_name = {p.tensor.name: p for p in planned}
    out = []
    for name, entry in block.tensors.items():
        made = by_name.pop(name, None)
        put = _original(entry, made) if "base64" in entry else made
        if put is not None:
            out.append(put)
    return out + list(by_name.values())


def _original(entry: Json, made: PlannedTensor | None) -> PlannedTensor | None:
    name, computed = str(entry["name"]), b"" if made is None else made.tensor.read()
    try:
        if crc32(computed) != entry["crc32"]:
            return made
        shape, data = tuple(map(int, entry["shape"])), carried.from_base64(entry["base64"])
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"the carried GGUF block is malformed: {error!r}", tensor=name) from error
    tensor = Tensor.from_bytes(name, shape, ENCODINGS[entry["encoding"]], data)
    return PlannedTensor(tensor, () if made is None else made.sources, "the bytes the file had")


def fit(planned: PlannedTensor, model: Model, block: Block | None) -> PlannedTensor:
    """`planned` in an encoding for GGUF; one that the file had stays as it was, unless the model has another."""
    tensor = planned.tensor
    had = None if block is None else block.encoding(tensor.name)
    kept = had is not None and _still(tensor, [model.tensors[name] for name in planned.sources], had)
    if kept and had != tensor.encoding.name:  # widened on the way, and back to what it was
        tensor = codecs.recode(tensor, ENCODINGS[str(had)])
    made, reason = fitted(tensor, kept)
    return replace(planned, tensor=made, reason=planned.reason or reason)


def _still(tensor: Tensor, sources: Sequence[Tensor], had: str) -> bool:
    """True when `sources` are in the encoding `had`, or a rule decoded them (to transpose them) and not the user."""
    if {source.encoding.name for source in sources} == {had}:
        return True
    rows = tensor.rows
    decoded = isinstance(rows, codecs.Recoded) and rows.widened and rows.base.encoding.name == had
    return decoded and not any(isinstance(source.rows, codecs.Recoded) for source in sources)
