"""Weights in memory of the process's own, in huge pages: how much there is for them, and how to get those.

A forward pass reads every weight once. Each page needs an entry of the translation buffer, which on a virtual machine
is dear to look up, and pages of 2 MiB are 512 times fewer than those of 4 KiB.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_HUGE = Path("/sys/kernel/mm/transparent_hugepage")
_COLLAPSE = 25  # MADV_COLLAPSE of madvise(2), Linux 6.1
_ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 +(?:\[heap\])?$")  # a line of proc_pid_maps(5)

# Files of a control group: its limit, and which line of memory.stat is memory that nobody can take back.
_GROUPS = {"memory": ("memory", "memory.limit_in_bytes", "total_rss"), "": ("", "memory.max", "anon")}


def huge_pages() -> bool:
    """Whether `use_huge_pages` can do anything here."""
    return sys.platform.startswith("linux") and "[never]" not in (_text(_HUGE / "enabled") or "[never]")


def use_huge_pages() -> int:
    """Move the process's own memory into huge pages; bytes of the places that are such now.

    For what stays: it copies memory that is not in them yet, and a place of which a part is used becomes a whole page.
    0 where the kernel has none, or not the call.
    """
    if not huge_pages():
        return 0
    size = int(_text(_HUGE / "hpage_pmd_size") or 2 << 20)
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    # One by one: the kernel gives up a whole range at the first place in it that was never touched.
    return sum(size for place in _places(size) if madvise(place, size, _COLLAPSE) == 0)


def _places(size: int) -> Iterator[int]:
    """Addresses of all aligned pieces of `size` bytes in memory that belongs to no file."""
    for line in (_text(Path("/proc/self/maps")) or "").splitlines():
        found = _ANONYMOUS.match(line)
        if found:
            start, end = (int(text, 16) for text in found.groups())
            yield from range(-(-start // size) * size, end - size + 1, size)


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process could take without swapping, or being killed for it; None where nobody tells.

    The least of what the machine has and what the process's control group and those above it leave (v1 and v2). `root`
    is where proc and sys are mounted.
    """
    found = re.search(r"^MemAvailable: +(\d+) kB$", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return min([int(found[1]) << 10, *_rooms(root)]) if found else None


def _rooms(root: Path) -> Iterator[int]:
    """What each control group with a limit leaves."""
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        for name in _GROUPS.keys() & set(controllers.split(",")):
            folder, limit, held = _GROUPS[name]
            top = root / "sys/fs/cgroup" / folder
            for group in _upwards(top, path):
                most = _text(group / limit)
                if most is not None and most.strip().isdigit():
                    stat = re.search(rf"^{held} (\d+)$", _text(group / "memory.stat") or "", re.MULTILINE)
                    yield max(0, int(most) - (int(stat[1]) if stat else 0))


def _upwards(top: Path, path: str) -> Iterator[Path]:
    """The folders from that of a control group to `top`; in a container `path` is not there, and `top` is its own."""
    group = top / path.lstrip("/")
    while group != top:
        yield group
        group = group.parent
    yield top


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
