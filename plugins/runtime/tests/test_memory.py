"""Weights copied to memory: the same words, huge pages where there are some, and no more than there is room for."""

from __future__ import annotations

import ctypes
import mmap
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub_runtime.engine import available_memory, huge_pages, load, use_huge_pages

MIB = 1 << 20
MEMORY = {"proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:      40960 kB\n"}
V1, V2 = {"proc/self/cgroup": "4:memory,x:/a/b\n1:cpu:/\n"}, {"proc/self/cgroup": "0::/a/b\n"}


@pytest.mark.usefixtures("llama")
def test_copied_weights_say_the_same(document: Callable[..., Any], tiny: Path) -> None:
    said = [document("run", "run", tiny, "-p", "Same", "-n", 20, how) for how in ("--mmap", "--no-mmap")]
    assert [one["setup"]["mmap"] for one in said] == [True, False]
    assert said[0]["tokens"] == said[1]["tokens"]
    assert document("bench", "bench", tiny, "-n", 2, "--no-mmap")["model"]["mmap"] is False


@pytest.mark.usefixtures("llama")
def test_copied_weights_need_their_file_no_more(make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not tell what is mapped")
    path = make_tiny(tmp_path / "tiny.gguf")
    with load(path, gpu_layers=0) as mapped:
        assert (mapped.mmap, str(path) in maps.read_text()) == (True, True)
    with load(path, gpu_layers=0, mmap=False) as copied:
        assert (copied.mmap, str(path) in maps.read_text()) == (False, False)


def huge(address: int) -> int:
    """Bytes in huge pages of the mapping that holds `address`."""
    found = 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if bounds := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(bounds[1], 16) <= address < int(bounds[2], 16)
        elif inside and line.startswith("AnonHugePages:"):
            found += int(line.split()[1]) << 10
    return found


def test_memory_that_was_touched_moves_into_huge_pages() -> None:
    if not huge_pages():
        pytest.skip("the kernel has no huge pages, or is told to make none")
    with mmap.mmap(-1, 8 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(b"\x5a" * (8 * MIB))
        whole = ctypes.c_char.from_buffer(memory)
        address = ctypes.addressof(whole)
        before = huge(address)
        made = use_huge_pages()
        if made == 0:
            pytest.skip("the kernel does not know MADV_COLLAPSE, or has no huge page left")
        assert huge(address) > before or before >= 6 * MIB
        assert memory[:] == b"\x5a" * (8 * MIB)
        del whole


@pytest.mark.parametrize(
    ("files", "room"),
    [
        ({}, 40),
        (V1, 40),  # no limit anywhere
        (V1 | {"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712"}, 40),
        (V1 | {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": str(30 * MIB)}, 30),
        (V1 | {"sys/fs/cgroup/memory/memory.limit_in_bytes": str(20 * MIB),
               "sys/fs/cgroup/memory/memory.stat": f"cache 9\ntotal_rss {5 * MIB}\n"}, 15),
        (V2 | {"sys/fs/cgroup/memory.max": "max", "sys/fs/cgroup/a/memory.max": "max"}, 40),
        (V2 | {"sys/fs/cgroup/a/b/memory.max": str(24 * MIB),
               "sys/fs/cgroup/a/b/memory.stat": f"anon {4 * MIB}\nfile {99 * MIB}\n",
               "sys/fs/cgroup/a/memory.max": str(36 * MIB)}, 20),
        (V2 | {"sys/fs/cgroup/memory.max": str(8 * MIB), "sys/fs/cgroup/memory.stat": f"anon {9 * MIB}\n"}, 0),
    ],
)  # fmt: skip
def test_the_room_is_the_least_that_anybody_leaves(tmp_path: Path, files: dict[str, str], room: int) -> None:
    for name, text in (MEMORY | files).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="ascii")
    assert available_memory(tmp_path) == room * MIB


def test_where_nobody_tells_there_is_no_number(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None
