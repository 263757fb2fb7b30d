"""Adding models from this disk: copied, hashed while they are, and named when all of it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.errors import UsageError
from hub.pipeline import Progress
from hub_registry._bytes import copy
from hub_registry._files import Found, found, kind
from hub_registry._history import Move
from hub_registry._lease import Lease, leased
from hub_registry._manifest import Blob, Manifest, built
from hub_registry._names import Name
from hub_registry._store import Store


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of an order: the manifest that the name is at, the move, and which bytes were here before."""

    name: Name
    manifest: Manifest
    move: Move | None
    shared: int


def add(
    store: Store, name: Name, paths: Sequence[Path], progress: Progress, *, by: str | None = None, force: bool = False
) -> Placed:
    """Put the models at `paths`, one model in several formats, into the store as `name`.

    Nothing is visible before every byte is on the disk. `TargetExists` when the name is taken by something else.
    """
    models = [found(path, alone=len(paths) == 1) for path in paths]
    _check_distinct(models)
    with leased(store) as lease:
        progress.start("add", sum(path.stat().st_size for model in models for path in model.files.values()))
        layers, shared, untested = [], 0, set()
        for model in models:
            for file, path in sorted(model.files.items(), key=lambda item: (item[0] not in model.weights, item[0])):
                media_type, guessed = kind(file, file in model.weights)
                layer, was_there = _brought(lease, path, file, media_type, progress)
                layers.append(layer)
                shared += layer.size * was_there
                untested |= {file} if guessed else set()
        manifest, config = built(_told(models), layers, models[0].title, frozenset(untested))
        lease.put(config)
        lease.put(manifest.raw)
        with store.changing() as change:
            change.check_free(name, manifest.digest, force=force)
            came = change.index.names.get(name.key)
            move = None if came == manifest.digest else change.move(name, manifest.descriptor, "add", by, None)
    return Placed(name, manifest, move, shared)


def _check_distinct(models: Sequence[Found]) -> None:
    seen: dict[str, Path] = {}
    for model in models:
        for file in model.files:
            if file in seen:
                raise UsageError(f"has a file {file}, and so has {seen[file]}", file=model.path)
            seen[file] = model.path


def _brought(lease: Lease, path: Path, file: str, media_type: str, progress: Progress) -> tuple[Blob, bool]:
    """The layer of one file, which is in the store then, and whether its bytes were there before."""
    temporary = lease.temporary()
    digest, size = copy(path, temporary, progress.advance)
    layer = Blob(digest, size, media_type, file)
    if lease.holds(layer, lambda _: None):
        temporary.unlink()
        return layer, True
    lease.place(temporary, digest)
    return layer, False


def _told(models: Sequence[Found]) -> dict[str, Any]:
    """ModelPack's configuration of the first model: what its own file says, and nothing else."""
    first = models[0].summary
    descriptor = {"name": first.model, "family": first.architecture, "licenses": first.license and [first.license]}
    quantized = any(one.encoding not in _PRECISIONS for one in first.encodings)
    config = {
        "format": models[0].summary.plugin,
        "paramSize": first.parameters and _count(first.parameters),
        "precision": _precision(first),
        "quantization": first.quantization if quantized else None,
    }
    return {"descriptor": _known(descriptor), "config": _known(config)}


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value}


# ModelPack's names of precisions; encodings in blocks are quantizations instead.
_PRECISIONS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3",
    "F8_E5M2": "float8_e5m2", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64", "U8": "uint8",
    "U16": "uint16", "U32": "uint32", "U64": "uint64", "BOOL": "bool",
}  # fmt: skip


def _precision(summary: Any) -> str | None:
    names = [_PRECISIONS[one.encoding] for one in summary.encodings if one.encoding in _PRECISIONS]
    return ",".join(names) or None


def _count(parameters: int) -> str:
    """A number of parameters as ModelPack writes it: at most one digit behind the point, and a letter."""
    for letter, unit in (("Q", 10**15), ("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if parameters >= unit:
            return f"{parameters / unit:.1f}".removesuffix(".0") + letter
    return f"{parameters / 1000:.1f}K"
