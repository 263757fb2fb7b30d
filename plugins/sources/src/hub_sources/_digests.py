"""Copying files and comparing every byte with what the place they come from says about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from hub.errors import NotVerified
from hub.pipeline import Progress
from hub_sources.interface import Part

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file's bytes must be: their sha256, or the sha1 that git names a blob by.

    Git hashes "blob SIZE", a zero byte and the bytes (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects).
    """

    kind: Literal["sha256", "git sha1"]
    value: str

    def new(self, size: int) -> hashlib._Hash:
        """An empty hash of this kind for a file of `size` bytes."""
        if self.kind == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def copy(source: Path, target: Path, expected: Digest | None, progress: Progress, name: str = "") -> Part:
    """Copy a file and hash what is written; `NotVerified` when it is not what was `expected`, and nothing stays."""
    with source.open("rb") as file:
        return write(file, target, source.stat().st_size, expected, progress.advance, name or source.name)


def write(
    file: IO[bytes], target: Path, size: int, expected: Digest | None, advance: Callable[[int], None], name: str
) -> Part:
    """Write what `file` still holds to the new file `target`; `copy` says the rest."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sha256, count = hashlib.sha256(), 0
    named = expected.new(size) if expected and expected.kind != "sha256" else sha256
    with target.open("xb") as out:
        for piece in pieces(file):
            for one in {id(h): h for h in (sha256, named)}.values():
                one.update(piece)
            out.write(piece)
            count += len(piece)
            advance(len(piece))
    if expected is not None and named.hexdigest() != expected.value:
        target.unlink()
        found = f"{expected.kind} {named.hexdigest()}"
        raise NotVerified(f"not the bytes that were announced: {found}, {expected.value} was expected", file=name)
    return Part(name, count, sha256.hexdigest(), expected.kind if expected else "")


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """What the file still holds, in pieces."""
    while piece := file.read(_PIECE):
        yield piece


def part_of(path: Path, name: str) -> Part:
    """The entry of a file whose bytes nobody announced."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return Part(name, path.stat().st_size, digest.hexdigest())
