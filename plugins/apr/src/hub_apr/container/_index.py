"""The tensor index of an APR v2 file: entries back to back, sorted by name."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hub.errors import DamagedFile, HubError
from hub_apr.container._dtypes import REFUSED, Dtype
from hub_apr.container._header import Header
from hub_apr.container._image import Image

ALIGNMENT = 64
SMALLEST = 20  # an entry without a name and without dimensions
NAME_LIMIT, DIMS_LIMIT = 256, 8  # what the reference writer cuts names and shapes to
_WINDOW = 1 << 18


def up64(n: int) -> int:
    """`n` rounded up to a multiple of 64."""
    return -(-n // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of the index: `offset` counts from the data section, `size` is in bytes without padding."""

    name: str
    dtype: Dtype
    shape: tuple[int, ...]
    offset: int
    size: int

    def pack(self) -> bytes:
        """The bytes of the entry. `HubError` for what the reference writer would silently cut."""
        name = self.name.encode()
        if len(name) > NAME_LIMIT or len(self.shape) > DIMS_LIMIT:
            raise HubError(
                f"an APR file holds names of at most {NAME_LIMIT} bytes and {DIMS_LIMIT} dimensions", tensor=self.name
            )
        dims = struct.pack(f"<{len(self.shape)}Q", *self.shape)
        head = struct.pack("<H", len(name)) + name + bytes([self.dtype.id, len(self.shape)])
        return head + dims + struct.pack("<QQ", self.offset, self.size)


def pack_index(entries: Iterable[Entry]) -> bytes:
    """The whole index, entries in the order of their names' bytes, without padding behind it."""
    return b"".join(e.pack() for e in sorted(entries, key=lambda e: e.name.encode()))


class _Cursor:
    """Reads forward through an image in windows, so that a huge claimed count costs nothing."""

    def __init__(self, image: Image, offset: int) -> None:
        self._image, self._window, self._from = image, b"", offset
        self.at = offset

    def take(self, nbytes: int, what: str) -> bytes:
        if self.at + nbytes > self._from + len(self._window):
            if self.at + nbytes > self._image.size:
                raise DamagedFile(
                    f"the tensor index ends inside {what}; {nbytes} bytes were expected",
                    file=self._image.path,
                    offset=self.at,
                )
            self._from = self.at
            self._window = self._image.read(self.at, min(max(_WINDOW, nbytes), self._image.size - self.at))
        start = self.at - self._from
        self.at += nbytes
        return self._window[start : start + nbytes]


def parse_index(
    image: Image, header: Header, dtypes: Mapping[int, Dtype], *, ordered: bool = True
) -> tuple[list[Entry], int]:
    """The entries of the index, and the position behind the last one.

    Refused: an index outside the file, more entries than its bytes can hold, an entry cut short, a dtype byte not in
    `dtypes`, and (unless not `ordered`) a name smaller than the one before it.
    """
    room = image.size - header.tensor_index_offset
    if room < 0:
        raise DamagedFile(
            f"the tensor index starts at {header.tensor_index_offset}, the file has {image.size} bytes",
            file=image.path,
            offset=24,
        )
    if header.tensor_count * SMALLEST > room:
        raise DamagedFile(
            f"{header.tensor_count} tensors are announced; the {room} bytes from the tensor index on hold at most "
            f"{room // SMALLEST}",
            file=image.path,
            offset=8,
        )
    cursor = _Cursor(image, header.tensor_index_offset)
    entries: list[Entry] = []
    last = b""
    for name, entry in _entries(cursor, image, header.tensor_count, dtypes):
        if ordered and name < last:
            raise DamagedFile(
                f"the tensor index is not sorted: {entry.name!r} comes after {last.decode(errors='replace')!r}",
                file=image.path,
                offset=cursor.at,
            )
        entries.append(entry)
        last = name
    return entries, cursor.at


def _entries(cursor: _Cursor, image: Image, count: int, dtypes: Mapping[int, Dtype]) -> Iterator[tuple[bytes, Entry]]:
    for number in range(count):
        what = f"entry {number} of {count}"
        (length,) = struct.unpack("<H", cursor.take(2, what))
        raw = cursor.take(length, what)
        name = raw.decode(errors="replace")
        kind, ndim = cursor.take(2, what)
        shape = struct.unpack(f"<{ndim}Q", cursor.take(8 * ndim, what))
        offset, size = struct.unpack("<QQ", cursor.take(16, what))
        if kind not in dtypes:
            known = f" ({REFUSED[kind]})" if kind in REFUSED else ""
            raise DamagedFile(
                f"dtype byte {kind}{known} is none of the format's {sorted(dtypes)}",
                file=image.path,
                offset=cursor.at - 16 - 8 * ndim - 2,
                tensor=name,
            )
        yield raw, Entry(name, dtypes[kind], shape, offset, size)
