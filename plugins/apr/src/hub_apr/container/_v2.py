"""An APR v2 container as its reference reader sees it, and what we refuse beyond that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from hub.errors import DamagedFile
from hub.ir import Tensor
from hub_apr.container import _dtypes
from hub_apr.container._header import MAGIC, MAGIC_APR2, SIZE, Flags, Header, parse_header
from hub_apr.container._image import Image
from hub_apr.container._index import ALIGNMENT, DIMS_LIMIT, Entry, parse_index, up64
from hub_apr.container._metadata import LARGEST, parse_metadata

_GGUF_NAME = re.compile(r"token_embd\.|blk\.\d+\.")


@dataclass(frozen=True)
class Container:
    """A parsed container: everything but the tensors' bytes.

    `dialect` is "v2", "APR2" (the same layout under its first magic) or "realizar" (its old GGUF converter's files:
    GGML type numbers, shapes innermost first). `index_end` is the position behind the last index entry.
    """

    image: Image
    header: Header
    metadata: Mapping[str, Any]
    entries: tuple[Entry, ...]
    index_end: int
    dialect: str = "v2"

    @property
    def required_size(self) -> int:
        """Smallest file that holds all data with its padding; the footer is not counted."""
        ends = (self.header.data_offset + e.offset + up64(e.size) for e in self.entries)
        return max(self.header.data_offset, *ends) if self.entries else self.header.data_offset

    def position(self, entry: Entry) -> int:
        """Where the bytes of `entry` start in the file."""
        return self.header.data_offset + entry.offset

    @property
    def unaligned(self) -> list[Entry]:
        """Tensors whose bytes do not start at a multiple of 64."""
        return [e for e in self.entries if self.position(e) % ALIGNMENT]

    def read(self, entry: Entry) -> bytes:
        """The bytes of a tensor as stored; `DamagedFile` when they lie outside the file."""
        self._inside(entry)
        return self.image.read(self.position(entry), entry.size)

    def tensor(self, entry: Entry) -> Tensor:
        """The tensor of `entry`, not read."""
        n, columns = entry.dtype.encoding.grid(entry.shape)
        width = entry.dtype.encoding.row_nbytes(columns)
        return Tensor(entry.name, entry.shape, entry.dtype.encoding, self.image.rows(self.position(entry), n, width))

    def check(self) -> None:
        """Refuse what the reference reader lets pass: see `problems`."""
        for problem in self.problems():
            raise problem

    def problems(self) -> list[DamagedFile]:
        """Duplicate names, tensors outside the file, sizes that contradict shape and dtype, partial overlaps.

        Two tensors may share all their bytes: that is how a tied tensor is stored once.
        """
        twice = (b for a, b in pairwise(self._by_name()) if a.name == b.name)
        found = [self._error("the name occurs twice in the index", entry) for entry in twice]
        for entry in self.entries:
            found += [problem for problem in (self._size_problem(entry), self._place_problem(entry)) if problem]
        return found or self._overlaps()

    def _by_name(self) -> list[Entry]:
        return sorted(self.entries, key=lambda e: e.name)

    def _size_problem(self, entry: Entry) -> DamagedFile | None:
        if 0 in entry.shape and max(entry.shape, default=0) >= 1 << 63:
            return self._error(f"shape {_shown(entry.shape)} is out of range", entry)
        expected = entry.dtype.encoding.size(entry.shape)
        if expected == entry.size:
            return None
        takes = f"shape {_shown(entry.shape)} in {entry.dtype.name} takes {_count(expected)} bytes"
        return self._error(f"{takes}, the index has {entry.size}", entry)

    def _inside(self, entry: Entry) -> None:
        problem = self._place_problem(entry)
        if problem:
            raise problem

    def _place_problem(self, entry: Entry) -> DamagedFile | None:
        start, end = self.position(entry), self.position(entry) + entry.size
        if end > self.image.size:
            return self._error(
                f"the data lies at {start} to {end}, the file has {self.image.size} bytes; it is cut short", entry
            )
        if entry.size and start < self.index_end:
            return self._error(f"the data starts at {start}, inside the index that ends at {self.index_end}", entry)
        return None

    def _overlaps(self) -> list[DamagedFile]:
        spans = sorted((e for e in self.entries if e.size), key=lambda e: (e.offset, e.size))
        return [
            self._error(f"the data overlaps that of {a.name!r}", b)
            for a, b in pairwise(spans)
            if b.offset < a.offset + a.size and not shared(a, b)
        ]

    def _error(self, message: str, entry: Entry) -> DamagedFile:
        return DamagedFile(message, file=self.image.path, offset=self.position(entry), tensor=entry.name)


def _shown(shape: tuple[int, ...]) -> str:
    return str(list(shape)) if len(shape) <= DIMS_LIMIT else f"of {len(shape)} dimensions"


def _count(n: int) -> str:
    return str(n) if n < 1 << 64 else "more than 2^64"


def shared(a: Entry, b: Entry) -> bool:
    """True when both entries are the same bytes read the same way."""
    return (a.offset, a.size, a.shape, a.dtype) == (b.offset, b.size, b.shape, b.dtype)


def open_container(image: Image, magic: bytes = MAGIC) -> Container:
    """Parse header, metadata and index of `image`, refusing in the order of the reference reader.

    What is refused is said at `parse_header`, `parse_metadata` and `parse_index`; `Container.check` refuses more.
    """
    header = parse_header(image.read(0, min(SIZE, image.size)), image.path, magic)
    metadata = parse_metadata(metadata_bytes(image, header), image.path, header.metadata_offset)
    table = _dtypes.FIRST if magic == MAGIC_APR2 else _dtypes.CURRENT
    if header.flags == Flags.QUANTIZED:
        old = _open_realizar(image, header, metadata)
        if old:
            return old
    entries, end = parse_index(image, header, table)
    return Container(image, header, metadata, tuple(entries), end, "APR2" if magic == MAGIC_APR2 else "v2")


def metadata_bytes(image: Image, header: Header) -> bytes:
    """The metadata as stored; `DamagedFile` when it passes the end of the file or 256 MiB."""
    end = header.metadata_offset + header.metadata_size
    if end > image.size:
        raise DamagedFile(
            f"the metadata lies at {header.metadata_offset} to {end}, the file has {image.size} bytes",
            file=image.path,
            offset=12,
        )
    if header.metadata_size > LARGEST:
        raise DamagedFile(
            f"the metadata has {header.metadata_size} bytes, at most {LARGEST} are read", file=image.path, offset=20
        )
    return image.read(header.metadata_offset, header.metadata_size)


def _open_realizar(image: Image, header: Header, metadata: Mapping[str, Any]) -> Container | None:
    """A file of realizar's old GGUF converter, told by GGUF names without the row-major flag; else None."""
    try:
        entries, end = parse_index(image, header, _dtypes.GGML, ordered=False)
    except DamagedFile:
        return None
    if not any(_GGUF_NAME.match(e.name) for e in entries):
        return None
    turned = tuple(replace(e, shape=e.shape[::-1]) for e in entries)
    return Container(image, header, metadata, turned, end, "realizar")
