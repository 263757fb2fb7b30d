"""Saying that a folder is in use, for as long as this process lives."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path


def hold(folder: Path) -> int | None:
    """A descriptor that holds `folder` for this process until it is closed; None where another process holds it.

    The lock goes with the process however it ends. Where the system has none (Windows, some network file systems),
    nobody is kept from anything.
    """
    if sys.platform == "win32":
        return os.open(os.devnull, os.O_RDONLY)
    import fcntl

    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except OSError:
        pass
    return fd


def abandoned(folder: Path) -> bool:
    """True when no living process holds `folder`; False where the system cannot tell."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
