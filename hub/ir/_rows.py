"""Storage: where a tensor's rows come from, and in which order.

A row is one run of the last dimension, stored in a fixed number of bytes. Blocks lie along rows, so taking, reordering
and joining rows never looks inside a block. Nothing is read until `fill` is called.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hub.errors import DamagedFile

Bytes: TypeAlias = NDArray[np.uint8]
Index: TypeAlias = NDArray[np.int64]


class Change(IntEnum):
    """What happens to a tensor's bytes on the way, the mildest first."""

    SAME = 0
    MOVED = 1
    EXACT = 2
    RECODED = 3

    def __str__(self) -> str:
        return ("same bytes", "rows moved", "exact", "re-encoded")[self]


class Rows(ABC):
    """`n` rows of `width` bytes each, read in pieces."""

    n: int
    width: int
    change: Change = Change.SAME

    @abstractmethod
    def fill(self, start: int, stop: int, out: Bytes) -> None:
        """Write rows `start` to `stop` into `out`, a contiguous uint8 array of shape [stop - start, width]."""

    @property
    def sends(self) -> bool:
        """True where `send` does it, unless something is odd about the values or the files."""
        return False

    def send(self, start: int, stop: int, fd: int, offset: int, values: int) -> bool:
        """True when rows `start` to `stop` have been written at byte `offset` of the open file `fd`.

        About `values` values are held at a time. False where only `fill` gives the rows; what was written is of no use
        then.
        """
        return False

    def read(self, start: int = 0, stop: int | None = None) -> Bytes:
        """Rows `start` to `stop` as a new uint8 array [rows, width]."""
        stop = self.n if stop is None else stop
        out = np.empty((stop - start, self.width), np.uint8)
        if out.size:
            self.fill(start, stop, out)
        return out

    def slice(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop` as rows of their own."""
        if (start, stop) == (0, self.n):
            return self
        return Gathered(self, np.arange(start, stop, dtype=np.int64))

    def take(self, index: Index) -> Rows:
        """The rows that `index` names, in its order."""
        if len(index) and np.array_equal(index, np.arange(index[0], index[0] + len(index))):
            return self.slice(int(index[0]), int(index[0]) + len(index))
        return Gathered(self, index)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return self.n * self.width


class File:
    """A file opened once for positioned reads by many threads; closed when nothing refers to it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._fd = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.size = os.fstat(self._fd).st_size

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            os.close(self._fd)

    @property
    def fd(self) -> int:
        """The descriptor, for calls that copy inside the kernel. It stays open while this object lives."""
        return self._fd

    def read_into(self, offset: int, out: Bytes | memoryview) -> None:
        """Fill `out` from byte `offset`; `DamagedFile` when the file ends before."""
        view = (out if isinstance(out, memoryview) else out.data).cast("B")
        done = 0
        while done < len(view):
            got = self._pread(view[done:], offset + done)
            if not got:
                raise DamagedFile(
                    f"ends here; {len(view) - done} more bytes were expected", file=self.path, offset=offset + done
                )
            done += got

    def read(self, offset: int, nbytes: int) -> bytes:
        """Exactly `nbytes` bytes from byte `offset`; checked against the size before anything is allocated."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise DamagedFile(
                f"{nbytes} bytes were expected here; the file has {self.size}", file=self.path, offset=offset
            )
        if hasattr(os, "pread"):
            out = os.pread(self._fd, nbytes, offset)
            if len(out) == nbytes:
                return out
        rest = bytearray(nbytes)  # a read that was cut short, or a system without positioned reads
        self.read_into(offset, memoryview(rest))
        return bytes(rest)

    def _pread(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [view], offset)
        with self._lock:  # Windows has no positioned read
            os.lseek(self._fd, offset, os.SEEK_SET)
            data = os.read(self._fd, len(view))
        view[: len(data)] = data
        return len(data)


class FileRows(Rows):
    """Rows that lie one after another in a file, from byte `offset`."""

    def __init__(self, file: File, offset: int, n: int, width: int) -> None:
        self.file, self.offset, self.n, self.width = file, offset, n, width

    @property
    def inside(self) -> bool:
        """True when the file holds all the rows."""
        return 0 <= self.offset <= self.offset + self.nbytes <= self.file.size

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        self.file.read_into(self.offset + start * self.width, out)

    def slice(self, start: int, stop: int) -> Rows:
        return FileRows(self.file, self.offset + start * self.width, stop - start, self.width)


class MemoryRows(Rows):
    """Rows held in memory, as a uint8 array [n, width]."""

    def __init__(self, data: Bytes) -> None:
        self.data = data
        self.n, self.width = data.shape

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        np.copyto(out, self.data[start:stop])

    def slice(self, start: int, stop: int) -> Rows:
        return MemoryRows(self.data[start:stop])


class Gathered(Rows):
    """Rows of `base` in the order of `index`."""

    change = Change.MOVED

    def __init__(self, base: Rows, index: Index) -> None:
        self.base, self.index = base, index
        self.n, self.width = len(index), base.width
        self.change = max(Change.MOVED, base.change)

    def take(self, index: Index) -> Rows:
        return self.base.take(self.index[index])

    def slice(self, start: int, stop: int) -> Rows:
        return self.base.take(self.index[start:stop])

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        index = self.index[start:stop]
        low, high = int(index.min()), int(index.max()) + 1
        if high - low <= 2 * len(index):
            np.take(self.base.read(low, high), index - low, axis=0, out=out)
            return
        edges = [0, *(np.flatnonzero(np.diff(index) != 1) + 1).tolist(), len(index)]
        for a, b in pairwise(edges):
            self.base.fill(int(index[a]), int(index[a]) + b - a, out[a:b])


class Joined(Rows):
    """The rows of several parts, one part after another."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self.parts: list[Rows] = [
            inner for part in parts for inner in (part.parts if isinstance(part, Joined) else [part])
        ]
        self.n, self.width = sum(part.n for part in parts), parts[0].width
        self.change = max(Change.MOVED, *(part.change for part in parts))

    @cached_property
    def starts(self) -> list[int]:
        """First row of each part, and the number of rows."""
        return [0, *np.cumsum([part.n for part in self.parts]).tolist()]

    def _pieces(self, start: int, stop: int) -> list[tuple[Rows, int, int]]:
        spans = zip(self.parts, self.starts[:-1], self.starts[1:], strict=True)
        return [(p, max(start, a) - a, min(stop, b) - a) for p, a, b in spans if a < stop and b > start]

    def slice(self, start: int, stop: int) -> Rows:
        pieces = [part.slice(a, b) for part, a, b in self._pieces(start, stop)]
        return joined(pieces) if pieces else Gathered(self, np.arange(0))

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        at = 0
        for part, a, b in self._pieces(start, stop):
            part.fill(a, b, out[at : at + b - a])
            at += b - a


class Transposed(Rows):
    """The transpose of a matrix of unquantized elements: `base` holds [columns, n] of `item` bytes each."""

    change = Change.MOVED

    def __init__(self, base: Rows, item: int) -> None:
        self.base, self.item = base, item
        self.n, self.width = base.width // item, base.n * item
        self.change = max(Change.MOVED, base.change)

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        step = max(1, (4 << 20) // max(1, self.base.width))
        cells = out.reshape(stop - start, self.base.n, self.item)
        for low in range(0, self.base.n, step):
            high = min(self.base.n, low + step)
            piece = self.base.read(low, high).reshape(high - low, self.n, self.item)
            cells[:, low:high] = piece[:, start:stop].transpose(1, 0, 2)


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of `parts` one after another; parts that already lie together in one file become one."""
    whole: list[Rows] = []
    for part in parts:
        last = whole[-1] if whole else None
        if isinstance(last, FileRows) and isinstance(part, FileRows) and _adjacent(last, part):
            whole[-1] = FileRows(last.file, last.offset, last.n + part.n, last.width)
        else:
            whole.append(part)
    return whole[0] if len(whole) == 1 else Joined(whole)


def _adjacent(a: FileRows, b: FileRows) -> bool:
    return a.file is b.file and a.width == b.width and a.offset + a.nbytes == b.offset


def transposed(base: Rows, item: int) -> Rows:
    """The transpose of `base`; transposing twice gives the rows back as they were."""
    return base.base if isinstance(base, Transposed) and base.item == item else Transposed(base, item)
