"""Which models a manifest holds, told from its files' names: one model may be there in several formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from hub.errors import NoPlugin, UnsupportedFile, UsageError
from hub.plugins import registry
from hub_registry._files import BESIDE

_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})(?P<suffix>\.[^.]+)")
_PACKED = re.compile(r".*\.(tar|tar\.gz|tgz|tar\.zst|zip)")


@dataclass(frozen=True, slots=True)
class Kept:
    """One model of a manifest: its format's name, and what is opened: a file, or a folder ("." for the whole)."""

    format: str
    path: str
    files: tuple[str, ...]


def kept(files: Sequence[str]) -> list[Kept]:
    """Every model among the files of a manifest, in their order."""
    readers = {e: f for f in registry().formats.values() for e in f.extensions}
    there = set(files)
    found: dict[tuple[str, str], Kept] = {}
    for file in files:
        reader = readers.get(PurePosixPath(file).suffix.lower())
        if reader is None:
            continue
        folder = str(PurePosixPath(file).parent)
        config = "config.json" if folder == "." else f"{folder}/config.json"
        if reader.capabilities.folder and config in there:
            inside = tuple(f for f in files if folder == "." or f.startswith(f"{folder}/"))
            found.setdefault((reader.name, folder), Kept(reader.name, folder, inside))
        else:
            whole = _whole(file)
            own = found.get((reader.name, whole))
            parts = (*own.files, file) if own else (file,)
            found[reader.name, whole] = Kept(reader.name, own.path if own else file, parts)
    return [_with_beside(one, files) for one in found.values()]


def _whole(file: str) -> str:
    """What all shards of one model have in common."""
    match = _SHARD.fullmatch(file)
    return f"{match['stem']}-of-{match['count']}{match['suffix']}" if match else file


def _with_beside(one: Kept, files: Sequence[str]) -> Kept:
    beside = {file + end for file in one.files for end in BESIDE}
    stem = _SHARD.sub(r"\g<stem>", one.path)
    index = {f"{stem}{end}" for end in (".apr.json", ".safetensors.index.json")}
    more = (f for f in files if f in beside | index and f not in one.files)
    return Kept(one.format, one.path, (*one.files, *more))


def chosen(files: Sequence[str], pick: str | None, where: str) -> tuple[Kept, list[Kept]]:
    """The model that is meant, and all there are: the first that was added, or the one that `pick` names.

    `pick` is a format, or a file or folder of the manifest, whole or by its last name.
    """
    models = kept(files)
    if not models:
        packed = [f for f in files if _PACKED.fullmatch(f)]
        if packed:
            raise UnsupportedFile(f"holds its files packed ({packed[0]}); raw layers are read", file=where)
        shown = ", ".join(files[:5]) or "no files"
        raise NoPlugin(f"no installed plugin reads what it holds: {shown}", file=where)
    fitting = [one for one in models if pick is None or _fits(one, pick)]
    if not fitting or (pick is not None and len(fitting) > 1):
        said = f"has {len(fitting)} models that are {pick!r}" if fitting else f"has nothing that is {pick!r}"
        raise UsageError(said, file=where, hint=f"#NAME picks one: {', '.join(one.path for one in models)}")
    return fitting[0], models


def _fits(one: Kept, pick: str) -> bool:
    path = PurePosixPath(one.path)
    return pick.lower() == one.format or pick in {one.path, path.name, *one.files}
