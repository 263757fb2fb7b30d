"""A GGUF file, or a split one, as a model in canonical form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from hub.architectures import family
from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import ENCODINGS, Config, Lazy, Model, Tensor
from hub_gguf import _carried as carried
from hub_gguf._block import make_block
from hub_gguf._encodings import narrowed
from hub_gguf._metadata import read_metadata
from hub_gguf._swapped import swapped
from hub_gguf._tokenizer import read_tokenizer, unread_tokenizer
from hub_gguf.arch import to_canonical
from hub_gguf.container import Header, TensorInfo, Value, read_parts

SPLIT = frozenset({"split.no", "split.count", "split.tensors.count"})
Keys = Mapping[str, Value]


@dataclass(frozen=True)
class Opened:
    """All parts of a file: the keys of the whole, and its tensors by GGUF name in file order."""

    parts: Sequence[Header]
    keys: Keys
    tensors: Mapping[str, Tensor]

    @property
    def arch(self) -> str:
        """`general.architecture`; empty when the file does not say."""
        value = self.parts[0].scalar("general.architecture", str)
        return "" if value is None else str(value)

    @property
    def plain(self) -> dict[str, Any]:
        """The model's own keys without their types."""
        return {key: value.plain for key, value in carried.own(self.keys).items()}


def open_file(path: Path) -> Opened:
    """The parts of the file at `path`. `UnsupportedFile` for a tensor that cannot be turned to little-endian."""
    parts = read_parts(path)
    dropped = SPLIT if len(parts) > 1 else frozenset[str]()
    keys = {key: value for key, value in parts[0].keys.items() if key not in dropped}
    tensors = {info.name: _tensor(part, info) for part in parts for info in part.tensors}
    return Opened(parts, keys, tensors)


def _tensor(part: Header, info: TensorInfo) -> Tensor:
    tensor = Tensor.from_file(info.name, info.shape, info.encoding, part.file, info.offset)
    return swapped(tensor) if part.order == ">" else tensor


def read_model(path: Path) -> Model:
    """The model at `path`; nothing is decoded and no payload read."""
    opened = open_file(path)
    made = _canonical(opened)
    metadata = {
        "format": f"GGUF v{opened.parts[0].version}",
        "architecture": opened.arch,
        **read_metadata(opened.plain),
    }
    tokenizer = Lazy(lambda: read_tokenizer(opened.plain))
    source: Lazy[Mapping[str, Any]] = Lazy(lambda: {"gguf": make_block(opened, replace(made, tokenizer=tokenizer))})
    model = replace(made, metadata=metadata, tokenizer=tokenizer, path=path, source=source)
    model = _restored(opened.keys, model)
    unread = unread_tokenizer(opened.plain)
    if unread:
        model = replace(model, notes=(*model.notes, unread))
    if any(part.order == ">" for part in opened.parts):
        model = replace(model, notes=(*model.notes, "the file is for big-endian machines; numbers are turned round"))
    return model


def _canonical(opened: Opened) -> Model:
    """The model as keys and tensors alone tell it."""
    try:
        made = to_canonical(opened.arch, opened.plain, opened.tensors)
    except UnsupportedFile as error:
        note = f"{error.message}: tensors keep the names and rows of the file"
        return Model(opened.tensors, naming="native", notes=(note,))
    rest = {name: opened.tensors[name] for name in made.unmapped}
    notes = tuple(f"tensor {name!r} has no Hugging Face name and keeps its own" for name in rest)
    tensors = {**made.tensors, **rest}
    return Model(tensors, made.config, ties=made.ties, unnamed=tuple(rest), notes=(*made.notes, *notes))


def _restored(keys: Keys, model: Model) -> Model:
    """`model` with what the keys under hub. carry: configuration, files, encodings, other formats' blocks."""
    if carried.GUARD not in keys:
        return model
    if keys[carried.GUARD].data != carried.guard(keys).data:
        note = "keys were changed after hub wrote the file: the files and settings it carries are left out"
        return replace(model, notes=(*model.notes, note))
    files = carried.Carried(keys)
    blocks = {key.removeprefix(carried.SOURCE): key for key in keys if key.startswith(carried.SOURCE)}
    own = model.source
    stated = _config(keys, files)
    return replace(
        model,
        config=model.config if stated is None else stated,
        ties=_ties(keys, model, stated),
        notes=model.notes if stated is None else (),  # they tell what was derived, and nothing is
        files=files,
        tensors=_original(keys, model.tensors),
        source=Lazy(lambda: {**own.get(), **{n: carried.unpacked_json(k, keys[k]) for n, k in blocks.items()}}),
    )


def _ties(keys: Keys, model: Model, stated: Config | None) -> Mapping[str, str]:
    """The ties that the tables know of, or those that are carried."""
    if carried.TIES in keys:
        found = carried.unpacked_json(carried.TIES, keys[carried.TIES])
        if not isinstance(found, dict) or not all(found.get(alias) in model.tensors for alias in found):
            raise DamagedFile(f"key {carried.TIES!r} names no tensors of the file: {found!r}")
        return {alias: name for alias, name in found.items() if alias not in model.tensors}
    return model.ties if stated is None or _tied(stated) else {}  # a bare model has no output at all


def _tied(config: Config) -> bool:
    """False when the configuration says that the output projection is not the embedding."""
    known = family(config)
    return known is None or known.facts(config).fact("tie_word_embeddings", bool) is not False


def _config(keys: Keys, files: Mapping[str, bytes]) -> Config | None:
    """The configuration that is carried; None when the keys alone tell it."""
    if carried.CONFIG in keys:
        found = carried.unpacked_json(carried.CONFIG, keys[carried.CONFIG])
    else:
        found = config_json(files["config.json"]) if "config.json" in files else None
    return Config(found) if isinstance(found, dict) else None


def config_json(data: bytes) -> Any:
    """The values of a config.json; None when it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _original(keys: Keys, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` in the encodings, and where values do not invert the bytes, that they were written from."""
    out = dict(tensors)
    if carried.TENSORS not in keys:
        return out
    records = carried.unpacked_json(carried.TENSORS, keys[carried.TENSORS])
    try:
        for name, record in records.items():
            if carried.TENSOR + name in keys:
                out[name] = carried.unpacked_tensor(name, keys[carried.TENSOR + name], record)
            elif name in out:
                out[name] = carried_tensor(out[name], record)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"key {carried.TENSORS!r} is malformed: {error!r}") from error
    return out


def carried_tensor(tensor: Tensor, record: Mapping[str, Any]) -> Tensor:
    """`tensor` as `record` says it was: its bytes when they are there and it was not changed since, else narrowed."""
    encoding = ENCODINGS[record["encoding"]]
    if "base64" in record:
        data = carried.from_base64(record["base64"])
        same = crc32(tensor.read()) == record["crc32"]
        return Tensor.from_bytes(tensor.name, tensor.shape, encoding, data) if same else tensor
    return tensor if encoding == tensor.encoding else narrowed(tensor, encoding)
