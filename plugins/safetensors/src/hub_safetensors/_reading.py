"""From files to the canonical model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub import architectures
from hub.architectures import Family
from hub.errors import DamagedFile
from hub.ir import Config, File, Lazy, Model, Tensor, Tokenizer
from hub_safetensors._card import read_card
from hub_safetensors._companions import (
    OWN,
    EmbeddedFiles,
    FolderFiles,
    Without,
    is_embedded,
    packed,
    read_small,
)
from hub_safetensors._foreign import refuse_foreign
from hub_safetensors._json import read_object
from hub_safetensors._layout import recorded
from hub_safetensors._locate import Located, locate, read_index
from hub_safetensors._naming import Normalised, normalised
from hub_safetensors._own import Own
from hub_safetensors._record import NAME
from hub_safetensors._ties import find_ties
from hub_safetensors.container import Header, read_header

TITLE = "SafeTensors"
_BUFFER_LIMIT = 1 << 20  # bytes that a record spends on one tensor that the model's class works out by itself


@dataclass(frozen=True)
class _Weights:
    """The tensors as the files have them, with the headers they come from."""

    headers: dict[str, Header]
    tensors: dict[str, Tensor]

    @property
    def metadata(self) -> dict[str, str]:
        """`__metadata__` of the first file."""
        return next(iter(self.headers.values())).metadata


def read_model(path: Path) -> Model:
    """The model at `path`: a weights file, an index, or a folder; see `locate`."""
    place = locate(path)
    weights = _read_weights(place)
    files, own = _documents(place, weights)
    stated = read_object(files["config.json"], path / "config.json") if "config.json" in files else {}
    refuse_foreign(stated, weights.tensors, path)
    config = Config(own.config(stated), file="config.json")
    native = own.fields.get("naming") == "native"
    family = None if native else architectures.family(stated)
    names = normalised(weights.tensors, family) if family else Normalised(weights.tensors)
    ties, stored, notes = find_ties(names.tensors, family, stated) if family else ({}, [], [])
    ties = ties or own.part("ties")
    copies = {alias: _origin(alias, names.record) for alias in stored}
    left = files.left if isinstance(files, FolderFiles) else []
    visible = Without(files, {OWN, *own.part("made")})
    return Model(
        tensors={name: t for name, t in names.tensors.items() if name not in ties},
        config=config,
        tokenizer=Lazy(lambda: _tokenizer(files, config, own)),
        metadata={
            **(read_card(files["README.md"]) if "README.md" in files else {}),
            **own.part("metadata"),
            "format": _title(weights),
        },
        ties=ties,
        files=visible,
        source=Lazy(lambda: _source(place, weights, names, copies, own)),
        naming="hf" if family else "native",
        notes=(*_recorded_notes(own), *notes, *_buffer_notes(names), *_left_notes(left)),
        path=path,
    )


def _read_weights(place: Located) -> _Weights:
    headers: dict[str, Header] = {}
    tensors: dict[str, Tensor] = {}
    by_path: dict[Path, Header] = {}
    for path in place.weights:
        file = File(path)
        header = headers[path.name] = by_path[path] = read_header(file)
        tensors.update((t.name, t) for t in header.tensors(file))
    check_shards(place, by_path)
    return _Weights(headers, tensors)


def check_shards(place: Located, headers: Mapping[Path, Header]) -> None:
    """`DamagedFile` when two shards hold one tensor, or the index does not say of every tensor which file holds it."""
    holder: dict[str, str] = {}
    for path, header in headers.items():
        for entry in header.entries:
            if entry.name in holder:
                raise DamagedFile(f"{holder[entry.name]} holds this tensor too", file=path, tensor=entry.name)
            holder[entry.name] = path.name
    if place.index is None:
        return
    weight_map = read_index(place.index)
    for name, shard in weight_map.items():
        if holder.get(name) != shard:
            message = f"the index has it in {shard}; it is {f'in {holder[name]}' if name in holder else 'nowhere'}"
            raise DamagedFile(message, file=place.index, tensor=name)
    for name, shard in holder.items():
        if name not in weight_map:
            raise DamagedFile(f"{shard} holds it, the index does not name it", file=place.index, tensor=name)


def _documents(place: Located, weights: _Weights) -> tuple[Mapping[str, bytes], Own]:
    """The companion files: those inside a single file when there are any, otherwise those of the folder."""
    inside = EmbeddedFiles(weights.metadata, place.weights[0])
    if inside or place.folder is None:
        return inside, Own.of(inside, inside.get(OWN), place.weights[0])
    files = FolderFiles(place.folder, {p.name for p in (*place.weights, place.index) if p})
    own = place.folder / OWN
    return files, Own.of(files, read_small(own) if own.is_file() else None, own)


def files_read(path: Path) -> list[Path]:
    """Every file that `read_model(path)` may look into."""
    place = locate(path)
    found = [*place.weights, *filter(None, [place.index])]
    documents, _ = _documents(place, _read_weights(place))
    if place.folder is not None and isinstance(documents, FolderFiles):
        found += [file for file in (place.folder / name for name in (*documents, OWN)) if file.is_file()]
    return found


def _tokenizer(files: Mapping[str, bytes], config: Config, own: Own) -> Tokenizer | None:
    from hub_safetensors.tokenizer import read_files, restore  # heavy, and often not needed

    theirs = {name: data for name, data in files.items() if name != OWN}  # ours is made after the tokenizer's are read
    found = read_files(theirs, config)
    left = own.part("tokenizer").get("left")
    return restore(found, left) if found and left else found


def _title(weights: _Weights) -> str:
    count = len(weights.headers)
    return TITLE if count == 1 else f"{TITLE}, {count} shards"


def _source(
    place: Located, weights: _Weights, names: Normalised, copies: Mapping[str, str], own: Own
) -> dict[str, Any]:
    """The source blocks of other formats, and our own unless the files are the hub's work and can be made again."""
    if own.part("made") or "naming" in own.fields:
        return own.source()
    plain = {name: {k: v for k, v in h.metadata.items() if not is_embedded(k)} for name, h in weights.headers.items()}
    index = read_small(place.index) if place.index else None
    block = {
        **recorded(weights.headers, plain, index),
        "folder": place.folder is not None,
        "dtype": main_dtype(weights.tensors),
        **names.record,
        **({"copies": dict(copies)} if copies else {}),
        **({"buffers": _buffers(names)} if names.buffers else {}),
    }
    return {**own.source(), NAME: block}


def main_dtype(tensors: Mapping[str, Tensor]) -> str | None:
    """The floating type that holds most of the bytes; None when there is none."""
    sizes = Counter[str]()
    for tensor in tensors.values():
        if tensor.encoding.kind == "float":
            sizes[tensor.encoding.name] += tensor.nbytes
    return max(sizes, key=lambda name: (sizes[name], name)) if sizes else None


def _buffers(names: Normalised) -> dict[str, Any]:
    kept = {}
    for name, tensor in names.buffers.items():
        data = packed(tensor.read()) if tensor.nbytes <= 64 * _BUFFER_LIMIT else ""
        if 0 < len(data) <= _BUFFER_LIMIT:
            kept[name] = {"dtype": tensor.encoding.name, "shape": list(tensor.shape), "zlib": data}
    return kept


def _origin(alias: str, record: Mapping[str, Any]) -> str:
    return str(record.get("renamed", {}).get(alias, alias))


def _recorded_notes(own: Own) -> list[str]:
    notes = own.fields.get("notes")
    stated = [n for n in notes if isinstance(n, str)] if isinstance(notes, list) else []
    edited = f"edited since it was made, so the header of the format it came from no longer counts: {_some(own.edited)}"
    return [*stated, edited] if own.edited else stated


def _buffer_notes(names: Normalised) -> list[str]:
    if not names.buffers:
        return []
    return [f"set aside, since the model's class works it out by itself: {_some(list(names.buffers))}"]


def _left_notes(left: list[str]) -> list[str]:
    return [f"stays behind, being no part of the model: {_some(left)}"] if left else []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def family_of(model: Model) -> Family | None:
    """The family of a model in canonical form; None when its names are the source's own."""
    return architectures.family(model.config) if model.naming == "hf" else None
