"""Which files a model on the own disk consists of, and what ModelPack calls each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hub.errors import UnsupportedFile, UsageError
from hub_registry._manifest import CODE, DOC, WEIGHT, WEIGHT_CONFIG, is_safe

if TYPE_CHECKING:
    from hub.inspection import Summary

BESIDE = (".sig", ".provenance.jsonl")  # what `hub sign` and `hub convert --sign-key` write beside a file
_LEFT_OUT = {".git", ".cache", "__pycache__"}
_KINDS = (
    (WEIGHT_CONFIG, re.compile(r"(?i).*\.(json|jinja|model|spm|vocab|bpe|tiktoken)|(merges|vocab|added_tokens)\.txt")),
    (DOC, re.compile(r"(?i).*\.(md|rst|pdf|sig)|.*\.provenance\.jsonl|(licen[sc]e|notice|copying|readme).*")),
    (CODE, re.compile(r"(?i).*\.(py|ipynb|sh)")),
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A model on the disk: its `path`, its files by the name that each has in the manifest, and what it is.

    `weights` are the names of those that hold tensors.
    """

    path: Path
    files: dict[str, Path]
    weights: frozenset[str]
    summary: Summary

    @property
    def title(self) -> str:
        """What its folder is called; a file's own name without extension."""
        return self.path.name if self.path.is_dir() else self.path.stem


def found(path: Path, *, alone: bool) -> Found:
    """The model at `path`, opened, with all its files; a folder's lie in a folder again unless it is `alone`.

    A file comes with its shards, signature and provenance, a folder with all that is in it. `HubError` when no plugin
    reads it, or it cannot be kept as it is.
    """
    from hub.inspection import stored_files, summarize
    from hub.opening import loading, open_model

    path = path.absolute()
    with loading(path, "look"):
        reader, model = open_model(path)
        summary = summarize(path, reader, model)
    stored = {p.absolute() for p in stored_files(model)}
    if path.is_dir():
        files = {name if alone else f"{path.name}/{name}": path / name for name in _inside(path)}
    else:
        files = {p.name: p for p in _beside(path, sorted(_read(path, reader) | stored | {path}))}
    for name in files:
        if not is_safe(name):
            raise UnsupportedFile("has a name that is not for other machines", file=path / name)
    weights = {name for name, file in files.items() if file in stored}
    return Found(path, files, frozenset(weights or ({path.name} & files.keys())), summary)


def _read(path: Path, reader: object) -> set[Path]:
    from hub.signing import Reads

    return {p.absolute() for p in reader.reads(path)} if isinstance(reader, Reads) else set()


def _beside(path: Path, files: Sequence[Path]) -> Iterator[Path]:
    for file in files:
        if file.parent != path.parent:
            raise UsageError("lies in another folder than the model that reads it", file=file)
        yield file
        yield from (p for end in BESIDE if (p := file.with_name(file.name + end)).is_file())


def _inside(folder: Path) -> Iterator[str]:
    """Every file of a folder, by relative name; a link is refused: what it leads to is not this model's."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if _LEFT_OUT & set(name.parts):
            continue
        if path.is_symlink():
            raise UnsupportedFile("is a symbolic link", file=path, hint="cp -rL makes a folder of files")
        if path.is_file():
            yield name.as_posix()
        elif not path.is_dir():
            raise UnsupportedFile("is neither a file nor a folder", file=path)


def kind(name: str, weights: bool) -> tuple[str, bool]:
    """The media type of a file, and whether that is a guess; `weights` says that it holds tensors."""
    if weights:
        return WEIGHT, False
    own = PurePosixPath(name).name
    for media_type, pattern in _KINDS:
        if pattern.fullmatch(own):
            return media_type, False
    return DOC, True
