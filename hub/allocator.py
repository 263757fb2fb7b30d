"""Setting up the memory of a process that walks every value of a model: the C library's, and Python's own."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys

# Parameters of glibc's mallopt(3), and what the program sets them to.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_SETTINGS = {_ARENA_MAX: 1, _MMAP_THRESHOLD: 64 << 20, _TRIM_THRESHOLD: 256 << 20}

# Objects made between two searches for unreachable cycles, where Python begins with 700.
_BETWEEN_SEARCHES = 100_000


def search_seldom() -> None:
    """Let Python search for unreachable cycles less often, for the rest of the process.

    A vocabulary is some hundred thousand objects without a cycle, all gone through again and again while it is read:
    that was a tenth of the time before the first tensor moves. At the end of the process, which frees everything, the
    last search takes as long again and is spared.
    """
    gc.set_threshold(_BETWEEN_SEARCHES)
    atexit.register(gc.freeze)


def reuse_memory() -> bool:
    """Let freed temporaries be reused for the rest of the process; True where the C library knows how (glibc).

    Every NumPy expression takes fresh memory, and the kernel clears each page of it again: that was half of the time of
    a re-encoding. For the program's commands, not for a library: it changes the whole process.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    taken = [mallopt(name, value) for name, value in _SETTINGS.items()]
    return all(taken)
