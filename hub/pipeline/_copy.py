"""Moving tensor bytes with many workers and a bounded amount in flight."""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, cast

import numpy as np

from hub.errors import UsageError
from hub.interface import Placement
from hub.ir import Bytes, File, FileRows, Rows, Tensor
from hub.pipeline._allocate import allocate
from hub.pipeline._flush import Writeback

T = TypeVar("T")
_END = object()

DEFAULT_MEMORY = 64 << 20
_PIECE_VALUES = 1 << 19
_TOGETHER = 8  # pieces in a part that goes from file to file: there a piece takes less time than what is around it
_WRITTEN = 1 << 19  # bytes of one write: in writes of 2 MiB the same file took Linux several times as long
_CARRIED = 16 << 20  # bytes that the kernel copies between two looks at the clock
_FEWEST_VALUES = 1 << 10
_PER_VALUE = 32  # a value in flight: source blocks, decoded float32, scratch, result


class Progress(Protocol):
    """Told how far the work is."""

    def start(self, what: str, nbytes: int) -> None:
        """A new part of the work of `nbytes` bytes begins."""

    def advance(self, nbytes: int) -> None:
        """`nbytes` more are done. Called from several threads."""


class Silent:
    """Progress that nobody watches."""

    def start(self, what: str, nbytes: int) -> None:
        """Do nothing."""

    def advance(self, nbytes: int) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may happen at once: `jobs` workers, `memory` bytes in flight."""

    jobs: int
    memory: int = DEFAULT_MEMORY

    @property
    def values(self) -> int:
        """Values of one piece of work: as many as fit the memory, up to where more no longer make it faster."""
        return max(_FEWEST_VALUES, min(_PIECE_VALUES, self.memory // (self.jobs * _PER_VALUE)))


def default_budget(jobs: int | None = None, memory: int | None = None) -> Budget:
    """A budget with one worker per core that this process may use, fewer where `memory` does not feed as many.

    `UsageError` when `memory` is too little for one, or for the `jobs` asked for.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = DEFAULT_MEMORY if memory is None else memory
    least = _FEWEST_VALUES * _PER_VALUE
    if memory < (jobs or 1) * least:
        raise UsageError(f"--memory of {memory} bytes is too little: each worker takes {least} at least")
    return Budget(jobs or min(cores, memory // least), memory)


@dataclass(frozen=True, slots=True)
class _Piece:
    rows: Rows
    start: int
    stop: int
    offset: int  # in the target file

    @property
    def nbytes(self) -> int:
        return (self.stop - self.start) * self.rows.width


def _pieces(offset: int, tensor: Tensor, values: int, start: int = 0, stop: int | None = None) -> Iterator[_Piece]:
    """Rows `start` to `stop` of the tensor in pieces of about `values` values, the first to lie at byte `offset`."""
    rows = tensor.rows
    stop = rows.n if stop is None else stop
    if isinstance(rows, FileRows):  # bytes that only move need not be cut at rows
        rows = FileRows(rows.file, rows.offset + start * rows.width, (stop - start) * rows.width, 1)
        start, stop, step = 0, rows.n, values * 2
    else:
        step = max(1, values // max(1, tensor.columns))
    at = offset - start * rows.width
    for low in range(start, stop if rows.nbytes else start, step):
        yield _Piece(rows, low, min(low + step, stop), at + low * rows.width)


class _Buffer(threading.local):
    """A worker's own scratch, kept between pieces: fresh pages cost more than the copy."""

    space: Bytes = np.empty(0, np.uint8)

    def of(self, rows: int, width: int) -> Bytes:
        if self.space.size < rows * width:
            self.space = np.empty(rows * width, np.uint8)
        return self.space[: rows * width].reshape(rows, width)


class Copier:
    """Copies tensors into files within a `Budget`, telling `progress`."""

    def __init__(self, budget: Budget, progress: Progress) -> None:
        self.budget, self.progress = budget, progress
        self._buffer = _Buffer()

    @property
    def stage(self) -> Path | None:
        """The folder to write into, where what is whole is kept; None for one that nobody needs afterwards."""
        return None

    @property
    def remarks(self) -> Sequence[str]:
        """What is to be said of how the work was done, for the report."""
        return ()

    def check_effect(self) -> None:
        """`UsageError` when, after all is written, what the user asked of the copying had no effect."""

    def copy(self, path: Path, placements: Sequence[Placement]) -> None:
        """Write each tensor's bytes at its offset in `path`; the file grows to hold them."""
        with room(path, placements) as fd, Writeback(fd) as out:
            rest = [(offset, tensor) for offset, tensor in placements if not self._carry(fd, out, offset, tensor)]

            def one(part: tuple[Tensor, _Piece]) -> None:
                self._place(fd, *part)
                out.add(part[1].nbytes)

            each((p for offset, tensor in rest for p in self._parts(offset, tensor)), one, self.budget.jobs)

    def _parts(self, offset: int, tensor: Tensor) -> Iterator[tuple[Tensor, _Piece]]:
        """The tensor with each of its parts, which one worker each writes, the first to lie at byte `offset`."""
        rows = tensor.rows
        values = self.budget.values * (_TOGETHER if rows.sends else 1)
        step = max(1, values // max(1, tensor.columns))
        for start in range(0, rows.n if tensor.nbytes else 0, step):
            yield tensor, _Piece(rows, start, min(start + step, rows.n), offset + start * rows.width)

    def _place(self, fd: int, tensor: Tensor, part: _Piece) -> None:
        """Write a part where it belongs: at once where its rows know how, in pieces elsewhere."""
        if part.rows.send(part.start, part.stop, fd, part.offset, self.budget.values):
            self.progress.advance(part.nbytes)
            return
        for _ in self.rows(fd, part.offset, tensor, part.start, part.stop):
            pass

    def rows(self, fd: int, offset: int, tensor: Tensor, start: int, stop: int) -> Iterator[memoryview]:
        """Write rows `start` to `stop` of a tensor at byte `offset` of an open file; each piece that was written.

        A piece is good until the next one is asked for.
        """
        for piece in _pieces(offset, tensor, self.budget.values, start, stop):
            yield self._move(fd, piece)

    def stream(self, tensor: Tensor) -> Iterator[bytes]:
        """The tensor's bytes in order, in pieces."""
        for piece in _pieces(0, tensor, self.budget.values):
            data = piece.rows.read(piece.start, piece.stop).tobytes()
            self.progress.advance(len(data))
            yield data

    def _carry(self, fd: int, out: Writeback, offset: int, tensor: Tensor) -> bool:
        """True when the kernel has copied the tensor, which only moves, to byte `offset` of `fd`.

        Only where it lies alike in its pages here and there, so that whole pages are copied, or shared; elsewhere
        going through user space is faster. By one thread: a file system lets one at a time write to a file.
        """
        rows = tensor.rows
        if not isinstance(rows, FileRows) or (rows.offset - offset) % mmap.PAGESIZE:
            return False
        for at in range(0, rows.nbytes, _CARRIED):
            nbytes = min(_CARRIED, rows.nbytes - at)
            if not _carried(rows.file, rows.offset + at, fd, offset + at, nbytes):
                self.progress.advance(-at)
                return False
            self.progress.advance(nbytes)
            out.add(nbytes)
        return True

    def _move(self, fd: int, piece: _Piece) -> memoryview:
        out = self._buffer.of(piece.stop - piece.start, piece.rows.width)
        piece.rows.fill(piece.start, piece.stop, out)
        data = out.data.cast("B")
        _write(fd, data, piece.offset)
        self.progress.advance(piece.nbytes)
        return data


@contextmanager
def room(path: Path, placements: Sequence[Placement]) -> Iterator[int]:
    """The file at `path`, open for writing, and long enough to hold `placements`; its descriptor."""
    end = max((offset + tensor.nbytes for offset, tensor in placements), default=0)
    fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        allocate(fd, end)
        yield fd
    finally:
        os.close(fd)


# What a kernel answers that cannot copy between these two files; anything else is a fault of the disk.
_CANNOT = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ETXTBSY, errno.EPERM, errno.EBADF}


def _carried(file: File, start: int, fd: int, offset: int, nbytes: int) -> bool:
    """True when the kernel has copied `nbytes` bytes from byte `start` of `file` to byte `offset` of `fd`.

    copy_file_range(2). False where it cannot, and where the source ends before: whoever reads the bytes then says so.
    """
    copy = getattr(os, "copy_file_range", None)  # Linux
    done = 0
    while copy is not None and done < nbytes:
        try:
            got = copy(file.fd, fd, nbytes - done, start + done, offset + done)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            return False
        if not got:
            return False
        done += got
    return copy is not None


_seek = threading.Lock()


def _write(fd: int, data: memoryview, offset: int) -> None:
    done = 0
    while done < len(data):
        if hasattr(os, "pwrite"):
            done += os.pwrite(fd, data[done : done + _WRITTEN], offset + done)
        else:
            with _seek:  # Windows has no positioned write
                os.lseek(fd, offset + done, os.SEEK_SET)
                done += os.write(fd, data[done:])


def each(items: Iterable[T], work: Callable[[T], object], jobs: int) -> None:
    """Call `work(item)` for every item with `jobs` threads; the first error stops all and is raised.

    Items are taken one by one, so a generator of millions costs nothing. The threads see the caller's context.
    """
    source, lock, stop = iter(items), threading.Lock(), threading.Event()
    errors: list[BaseException] = []
    begun: list[threading.Thread] = []

    def take() -> object:
        with lock:
            return _END if stop.is_set() else next(source, _END)

    def worker() -> None:
        try:
            with lock:
                begun.append(threading.current_thread())
            while (item := take()) is not _END:
                work(cast("T", item))
        except BaseException as error:  # carried to the caller's thread
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=copy_context().run, args=(worker,), daemon=True) for _ in range(jobs)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        with lock:  # a start that was interrupted leaves a thread that cannot be joined; it finds nothing to do
            running = tuple(begun)
        for thread in running:
            thread.join()
    if errors:
        raise errors[0]
