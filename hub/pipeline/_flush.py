"""Sending written pages to the disk while the work goes on, so that the flush at the end finds little left to do."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

_STEP = 64 << 20  # bytes between two calls: each looks through what is not on its way yet
_WRITE = 2  # SYNC_FILE_RANGE_WRITE: begin, and do not wait


class Writeback:
    """Has the kernel begin to write the open file `fd` to the disk whenever another 64 MiB of it have been written.

    Copying, decoding and verifying keep processor and memory busy and the disk idle; this keeps the disk busy too, from
    a thread of its own, as the kernel makes whoever asks wait when the disk has much to do. It promises nothing, and an
    error is left to `sync`, which meets it again. Without sync_file_range(2), which is Linux's, it does nothing. Use as
    a context manager: what was begun goes on after the block.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._due = threading.Semaphore(0)
        self._written = 0
        self._over = False

    def __enter__(self) -> Writeback:
        begin = _sync_file_range()
        if begin is not None:
            threading.Thread(target=self._run, args=(begin, os.dup(self._fd)), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._due.release()

    def add(self, nbytes: int) -> None:
        """`nbytes` more were written, in whatever place."""
        with self._lock:
            self._written += nbytes
            if self._written < _STEP:
                return
            self._written = 0
        self._due.release()

    def _run(self, begin: Callable[[int, int, int, int], int], fd: int) -> None:
        try:
            while self._due.acquire() and not self._over:
                begin(fd, 0, 0, _WRITE)
            begin(fd, 0, 0, _WRITE)
        finally:
            os.close(fd)


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    found = getattr(ctypes.CDLL(None), "sync_file_range", None) if os.name == "posix" else None
    if found is not None:
        found.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return found


def sync(path: Path) -> None:
    """Return when the file or folder at `path` is on the disk. `OSError` when it cannot be."""
    if path.is_dir() and os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
