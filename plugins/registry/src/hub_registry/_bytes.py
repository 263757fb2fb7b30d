"""Copying and hashing in pieces."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from hub.errors import HubError

PIECE = 1 << 20
_STRIDE = 64 << 20  # bytes that the kernel copies, or shares, in one go
# What says that this file system, or this pair of them, copies in the usual way only.
_PLAIN = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM}


def digest_file(path: Path, advance: Callable[[int], None]) -> str:
    """The digest of a file's bytes, read in pieces that `advance` is told."""
    found, buffer = hashlib.sha256(), memoryview(bytearray(PIECE))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            found.update(buffer[:count])
            advance(count)
    return f"sha256:{found.hexdigest()}"


def copy(source: Path, target: Path, advance: Callable[[int], None]) -> tuple[str, int]:
    """Copy a file to the new file `target`, onto the disk; the digest and size of what lies there now.

    The kernel copies, and shares the blocks where the file system can. What is hashed is the copy, read back: the
    source may change as it likes afterwards. `HubError` when it changed meanwhile.
    """
    with source.open("rb", buffering=0) as read, target.open("xb+", buffering=0) as write:
        before = os.fstat(read.fileno())
        share = hasattr(os, "copy_file_range")
        found, size, buffer = hashlib.sha256(), 0, memoryview(bytearray(PIECE))
        while True:
            share, count = _copied(read.fileno(), write.fileno(), size, share)
            if not count:
                break
            end = size + count
            while size < end:
                got = os.preadv(write.fileno(), [buffer[: min(PIECE, end - size)]], size)
                found.update(buffer[:got])
                size += got
                advance(got)
        os.fsync(write.fileno())
        after = os.fstat(read.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or size != after.st_size:
        target.unlink()
        raise HubError("changed while it was copied", file=source, hint="wait until it is written")
    return f"sha256:{found.hexdigest()}", size


def _copied(read: int, write: int, offset: int, share: bool) -> tuple[bool, int]:
    """Copy the next bytes; whether the kernel may be asked again, and how many they were."""
    if share:
        try:
            return True, os.copy_file_range(read, write, _STRIDE, offset, offset)
        except OSError as error:
            if error.errno not in _PLAIN or offset:
                raise
    data = os.pread(read, PIECE, offset)
    done = 0
    while done < len(data):
        done += os.pwrite(write, data[done:], offset + done)
    return False, len(data)


def sync(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
