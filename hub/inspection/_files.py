"""Which files a model lies in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hub.ir import FileRows, Gathered, Joined, Model, Rows, Transposed


def stored_files(model: Model) -> set[Path]:
    """The files that `model`'s tensors are read from: all shards of a sharded one."""
    return {path for tensor in model.tensors.values() for path in _paths(tensor.rows)}


def size_on_disk(path: Path, model: Model) -> int:
    """Bytes of the model at `path`: the file and its shards, or everything in its folder."""
    inside = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return sum(p.stat().st_size for p in {p.resolve() for p in inside} | {p.resolve() for p in stored_files(model)})


def _paths(rows: Rows) -> Iterator[Path]:
    if isinstance(rows, FileRows):
        yield rows.file.path
    elif isinstance(rows, Joined):
        for part in rows.parts:
            yield from _paths(part)
    elif isinstance(rows, Gathered | Transposed):
        yield from _paths(rows.base)
