"""Taking a file's blocks from the disk before anything is written into it."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache

# What a file system answers that cannot, or a kernel; a disk that is full is no such answer.
_CANNOT = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def allocate(fd: int, nbytes: int) -> None:
    """Make the open file `fd` at least `nbytes` bytes long, its blocks reserved where the file system can do that.

    fallocate(2), which is Linux's: a disk without that much room says so now, and what is written afterwards needs no
    block found for each page. Not posix_fallocate(3), which writes into every block where the file system cannot.
    `OSError` when there is no room.
    """
    if nbytes <= 0:
        return
    reserve = _fallocate()
    if reserve is not None:
        if reserve(fd, 0, 0, nbytes) == 0:
            return
        number = ctypes.get_errno()
        if number not in _CANNOT:
            raise OSError(number, f"{os.strerror(number)}: {nbytes:,} bytes are needed")
    if os.fstat(fd).st_size < nbytes:
        os.ftruncate(fd, nbytes)


@cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    found = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None) if os.name == "posix" else None
    if found is not None:
        found.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return found
