"""From a container to a model in canonical form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import U8, Config, Lazy, Model, Tensor
from hub_apr import _blocks
from hub_apr._foreign import foreign_model, legacy_model
from hub_apr._layout import parse_encodings, restore
from hub_apr._packing import CODECS, Cache, PackedRows, Payload
from hub_apr._shapes import Check, items, of, one_of, require, values
from hub_apr._shards import from_manifest, is_manifest, with_siblings
from hub_apr._suited import Undo
from hub_apr._tokenizer_keys import OWN, foreign_tokenizer, own_tokenizer
from hub_apr.container import BY_NAME, V1, Container, Entry, Legacy, open_any

_TEXT = of(str)
_ABOUT: dict[str, Check] = {"naming": one_of(("hf", "native")), "notes": items(_TEXT), "ties": values(_TEXT),
                            "aliases": values(_TEXT), "metadata": of(dict)}  # fmt: skip


def open_parts(path: Path) -> list[Container] | V1 | Legacy:
    """What `path` holds: the shards of a v2 model (one, usually), or a file of an older dialect."""
    with path.open("rb") as file:
        head = file.read(4096)
    if is_manifest(head):
        return from_manifest(path)
    opened = open_any(path)
    return with_siblings(opened) if isinstance(opened, Container) else opened


def read_model(path: Path) -> Model:
    """The model at `path`, a file, a shard or a shards' manifest; nothing large is read.

    `UnsupportedFile` for v1 files: what they hold is a classic model that nothing describes.
    """
    opened = open_parts(path)
    if isinstance(opened, V1):
        raise UnsupportedFile(
            f"an APR v1 {opened.model_type_name} model, which is shown and not converted", file=path, hint="inspect it"
        )
    if isinstance(opened, Legacy):
        return legacy_model(opened)
    for part in opened:
        part.check()
    distinct(opened)
    metadata = opened[0].metadata
    if "hub.version" not in metadata:
        return foreign_model(opened)
    return own_model(_stored(opened, metadata, path), metadata, path)


def in_order(parts: Sequence[Container]) -> list[tuple[Container, Entry]]:
    """The tensors of all parts in the order of their data."""
    ordered = [(part, sorted(part.entries, key=lambda e: (e.offset, e.size))) for part in parts]
    return [(part, entry) for part, entries in ordered for entry in entries]


def distinct(parts: Sequence[Container]) -> None:
    """`DamagedFile` when two shards hold a tensor of one name."""
    seen: set[str] = set()
    for part in parts:
        twice = seen.intersection(e.name for e in part.entries)
        if twice:
            raise DamagedFile("another shard holds a tensor of this name", file=part.image.path, tensor=min(twice))
        seen.update(e.name for e in part.entries)


def own_model(stored: Sequence[Tensor], metadata: Mapping[str, Any], path: Path) -> Model:
    """The model as it was when this plugin wrote it: `metadata`, and the tensors as they are `stored` at `path`."""
    if metadata["hub.version"] != _blocks.LAYOUT:
        raise UnsupportedFile(
            f"was written with layout {metadata['hub.version']!r} of the hub keys, {_blocks.LAYOUT} is known", file=path
        )
    about = require(_block(metadata, "hub.model", path), _ABOUT, "hub.model", path)
    config, files = _block(metadata, "hub.config", path), _blocks.Files(_block(metadata, "hub.files", path), path)
    ties: dict[str, str] = about["ties"]
    tensors = _tensors([t for t in stored if t.name not in about["aliases"]], metadata, path)
    nowhere = [alias for alias, name in ties.items() if name not in tensors]
    if nowhere:
        raise DamagedFile("metadata 'hub.model' ties it to a tensor that is not there", file=path, tensor=nowhere[0])
    return Model(
        tensors=tensors,
        config=Config(config, file=str(path)),
        tokenizer=Lazy(lambda: own_tokenizer(metadata, path) if OWN in metadata else foreign_tokenizer(metadata)),
        metadata={**about["metadata"], "format": _title(metadata, path)},
        ties=ties,
        files=files,
        source=Lazy(lambda: _block(metadata, "hub.source", path)),
        naming="native" if about["naming"] == "native" else "hf",
        notes=tuple(about["notes"]),
        path=path,
    )


def _title(metadata: Mapping[str, Any], path: Path) -> str:
    """The format, and how tensors are packed if some are."""
    packed = _block(metadata, "hub.packed", path)
    return f"APR v2, {packed['codec']}" if packed.get("tensors") else "APR v2"


def _block(metadata: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    value = _blocks.unpack(metadata.get(key, {}), key, path)
    if not isinstance(value, dict):
        raise DamagedFile(f"metadata {key!r} is no object", file=path)
    return value


def _stored(parts: Sequence[Container], metadata: Mapping[str, Any], path: Path) -> list[Tensor]:
    """The tensors of the index in the order of their data, unpacked."""
    packed = _block(metadata, "hub.packed", path)
    table, cache = _packed_table(packed, path), Cache()
    out = []
    for part, entry in in_order(parts):
        tensor = part.tensor(entry)
        if entry.name in table:
            tensor = _unpacked(part, tensor, entry, table[entry.name], str(packed["codec"]), cache)
        out.append(tensor)
    return out


def _tensors(stored: Sequence[Tensor], metadata: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    encodings = parse_encodings(_block(metadata, "hub.encodings", path), path)
    undo = Undo(metadata, path)
    out: dict[str, Tensor] = {}
    for tensor in map(undo.shift, stored):
        out[tensor.name] = restore(tensor, encodings[tensor.name], path) if tensor.name in encodings else tensor
    return undo.join(out)


def _packed_table(packed: Mapping[str, Any], path: Path) -> dict[str, tuple[str, tuple[int, ...], int]]:
    """By tensor: dtype name, shape and byte planes of what is packed."""
    table: dict[str, tuple[str, tuple[int, ...], int]] = {}
    entries = packed.get("tensors", {})
    if packed and (packed.get("codec") not in CODECS or not isinstance(entries, dict)):
        raise DamagedFile(f"metadata 'hub.packed' names no codec of {', '.join(CODECS)}", file=path)
    for name, entry in entries.items():
        match entry:
            case [str(dtype), [*shape], int(planes)] if dtype in BY_NAME and planes in {1, 2, 4, 8}:
                if all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
                    table[name] = dtype, tuple(shape), planes
                    continue
        raise DamagedFile(f"metadata 'hub.packed' says {str(entry)[:80]}", file=path, tensor=name)
    return table


def _unpacked(
    part: Container, stored: Tensor, entry: Entry, told: tuple[str, tuple[int, ...], int], codec: str, cache: Cache
) -> Tensor:
    dtype, shape, planes = told
    encoding = BY_NAME[dtype].encoding
    if stored.encoding != U8:
        raise DamagedFile(f"is packed, but {stored.encoding} in the index", file=part.image.path, tensor=entry.name)
    n, columns = encoding.grid(shape)
    width, raw = encoding.row_nbytes(columns), encoding.size(shape)
    payload = Payload(part.image, part.position(entry), entry.size, raw, codec, planes, cache, entry.name)
    payload.check()
    return Tensor(entry.name, shape, encoding, PackedRows(payload, n, width))
