"""A GGUF file inside a larger file, as `hub bundle` makes them: where it lies, and whether it is the one put there.

The larger file is a shell script whose second line says so:

    #!/bin/sh
    # hub embeds GGUF: byte 4096, 98765432 bytes, sha256 of 16 MiB parts 0123...cdef

Readers and llama.cpp take the model from there as it lies; nothing is copied out.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from mmap import ACCESS_READ, ALLOCATIONGRANULARITY, mmap
from pathlib import Path

from hub.errors import Altered

MAGIC = b"#!/bin/sh\n# hub embeds GGUF: "
"""What such a file begins with."""

PART = 16 << 20
"""Bytes of a part: each has a digest of its own, so that threads share the work."""

_LINE = re.compile(
    re.escape(MAGIC) + rb"byte (?P<offset>\d{1,18}), (?P<nbytes>\d{1,18}) bytes, "
    rb"sha256 of 16 MiB parts (?P<digest>[0-9a-f]{64})\n"
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """The GGUF file of `nbytes` bytes from byte `offset` of `path`; `digest` is what it had when it was put there."""

    path: Path
    offset: int
    nbytes: int
    digest: str

    @property
    def end(self) -> int:
        """The byte behind it."""
        return self.offset + self.nbytes

    def check(self) -> None:
        """`Altered` unless every byte is the one that was put there. Reads all of them, with all cores."""
        size = self.path.stat().st_size
        if size < self.end:
            raise Altered(f"has {size} bytes, the model in it ends at byte {self.end}: it is cut short", file=self.path)
        found = digest(self.path, self.offset, self.nbytes)
        if found != self.digest:
            raise Altered(
                f"the model in it is damaged: its digest is {found[:16]}..., {self.digest[:16]}... was put there",
                file=self.path, offset=self.offset, hint="copy the file again from where it came from",
            )  # fmt: skip


def embedded(path: Path | str) -> Embedded | None:
    """Where the model inside the file at `path` lies, as its head says; None when it says nothing of the kind."""
    path = Path(path)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        found = _LINE.match(file.read(256))
    if found is None:
        return None
    return Embedded(path, int(found["offset"]), int(found["nbytes"]), found["digest"].decode())


def head_of(offset: int, nbytes: int, digest: str) -> bytes:
    """The two lines that such a file begins with."""
    return MAGIC + f"byte {offset}, {nbytes} bytes, sha256 of 16 MiB parts {digest}\n".encode()


def digest(path: Path | str, offset: int = 0, nbytes: int | None = None) -> str:
    """SHA-256, in hex, over the SHA-256 of each `PART` of `nbytes` bytes (to the end) from byte `offset`.

    Pages are read where the system has them; nothing is copied. As many threads as cores this process may use.
    """
    with Path(path).open("rb") as file:
        count = os.fstat(file.fileno()).st_size - offset if nbytes is None else nbytes
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        with ThreadPoolExecutor(cores) as pool:
            parts = pool.map(lambda place: _part(file.fileno(), *place), _places(offset, count))
            return hashlib.sha256(b"".join(parts)).hexdigest()


def _places(offset: int, nbytes: int) -> Iterator[tuple[int, int]]:
    """Start and length of each part."""
    for start in range(offset, offset + nbytes, PART):
        yield start, min(PART, offset + nbytes - start)


def _part(fd: int, start: int, nbytes: int) -> bytes:
    """SHA-256 of a part of the file, which is mapped for it."""
    before = start % ALLOCATIONGRANULARITY
    with mmap(fd, before + nbytes, access=ACCESS_READ, offset=start - before) as pages:
        if hasattr(pages, "madvise"):
            from mmap import MADV_SEQUENTIAL, MADV_WILLNEED

            pages.madvise(MADV_SEQUENTIAL)
            pages.madvise(MADV_WILLNEED)
        with memoryview(pages) as view, view[before:] as part:
            return hashlib.sha256(part).digest()
