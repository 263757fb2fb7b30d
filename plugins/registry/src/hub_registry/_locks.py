"""Locks between processes: they go with the process that holds them, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.errors import HubError


def taken(path: Path, *, shared: bool = False, wait: bool = False) -> int | None:
    """A descriptor that holds the lock file `path` until it is closed; None where somebody else does and `wait` is off.

    Many may hold it when all ask for it `shared`. `HubError` where the system has no such locks: a store that two
    programs change at once would lose models.
    """
    if sys.platform == "win32":
        raise HubError("the registry needs flock, which Windows does not have", file=path)
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException as error:
        os.close(fd)
        if isinstance(error, OSError):
            raise HubError(f"cannot be locked: {error.strerror}", file=path) from error
        raise
    return fd


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A block in which nobody else is inside such a block on `path`; waits for it."""
    fd = taken(path, wait=True)
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def is_free(path: Path) -> bool:
    """True when no living process holds `path`, or its folder has gone."""
    try:
        fd = taken(path)
    except FileNotFoundError:
        return True
    if fd is None:
        return False
    os.close(fd)
    return True
