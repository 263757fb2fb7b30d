"""The cache of converted models: bounds, damage, and `hub cache`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.errors import UsageError
from hub_runtime.bridge import Cache
from hub_runtime.bridge._cache import about
from hub_runtime.bridge._lock import Busy, Lock

Ran = Any
KEYS = [f"{n:032x}" for n in range(6)]


def maker(size: int) -> Callable[[Path], dict[str, Any]]:
    def make(path: Path) -> dict[str, Any]:
        path.write_bytes(bytes(size))
        return about(Path("/models/a.apr"), "apr", 1.0)

    return make


def put(cache: Cache, key: str, size: int = 100, used: int | None = None) -> None:
    entry, lock, _ = cache.obtain(key, maker(size))
    lock.close()
    if used is not None:
        os.utime(entry.path.with_name("entry.json"), (used, used))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", limit=250)


def keys(cache: Cache) -> list[str]:
    return [entry.key for entry in cache.entries()]


def test_the_least_recently_used_goes_when_there_is_no_room(cache: Cache) -> None:
    put(cache, KEYS[0], used=30)
    put(cache, KEYS[1], used=20)
    put(cache, KEYS[2])
    assert keys(cache) == [KEYS[2], KEYS[0]]


def test_use_is_what_counts(cache: Cache) -> None:
    put(cache, KEYS[0], used=10)
    put(cache, KEYS[1], used=20)
    put(cache, KEYS[0])
    put(cache, KEYS[2])
    assert set(keys(cache)) == {KEYS[0], KEYS[2]}


def test_an_entry_larger_than_the_bound_is_there_while_it_is_the_newest(cache: Cache) -> None:
    put(cache, KEYS[0], 1000)
    assert keys(cache) == [KEYS[0]]
    put(cache, KEYS[1], used=None)
    assert keys(cache) == [KEYS[1]]


def test_an_entry_in_use_is_not_removed(cache: Cache) -> None:
    _, lock, made = cache.obtain(KEYS[0], maker(200))
    assert made
    put(cache, KEYS[1], 200)
    assert set(keys(cache)) == {KEYS[0], KEYS[1]}
    assert not cache.remove(KEYS[0])
    lock.close()
    assert cache.remove(KEYS[0])
    assert keys(cache) == [KEYS[1]]


@pytest.mark.parametrize("damage", ["cut", "touched", "written to", "gone", "no record", "another's record"])
def test_a_damaged_entry_is_made_again(cache: Cache, damage: str) -> None:
    put(cache, KEYS[0])
    folder = cache.entries_folder / KEYS[0]
    file, record = folder / "model.gguf", folder / "entry.json"
    if damage == "cut":
        os.truncate(file, 50)
    elif damage == "touched":
        os.utime(file, (1, 1))
    elif damage == "written to":
        before = file.stat()
        with file.open("r+b") as opened:
            opened.write(b"x")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif damage == "gone":
        file.unlink()
    elif damage == "no record":
        record.write_text("{")
    else:
        record.write_text(json.dumps(json.loads(record.read_text()) | {"key": KEYS[1]}))
    assert not cache.entries()
    entry, lock, made = cache.obtain(KEYS[0], maker(100))
    lock.close()
    assert made
    assert entry.path.stat().st_size == 100


def test_sweeping_removes_leftovers_and_nothing_else(cache: Cache) -> None:
    put(cache, KEYS[0])
    put(cache, KEYS[1])
    (cache.entries_folder / KEYS[1] / "model.gguf").unlink()
    (cache.entries_folder / f".{KEYS[2]}.77").mkdir()
    assert cache.sweep() == 2
    assert sorted(p.name for p in cache.entries_folder.iterdir()) == [KEYS[0], f"{KEYS[0]}.lock"]
    assert cache.sweep() == 0


def test_locks_exclude_each_other_and_survive_removal(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path, shared=True), Lock(path, shared=True), pytest.raises(Busy):
        Lock(path, shared=False, wait=False)
    with Lock(path, shared=False) as held:
        with pytest.raises(Busy):
            Lock(path, shared=True, wait=False)
        held.path.unlink()
        Lock(path, shared=False, wait=False).close()


@pytest.mark.parametrize("key", ["../x", "", "0" * 31, KEYS[0]])
def test_only_entries_can_be_removed(cache: Cache, key: str) -> None:
    with pytest.raises(UsageError):
        cache.remove(key)


def test_the_environment_says_where_and_how_much(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_CACHE_SIZE", "3GiB")
    assert (Cache.usual().folder, Cache.usual().limit) == (tmp_path / "cache", 3 << 30)
    monkeypatch.delenv("HUB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Cache.usual().folder == tmp_path / "xdg" / "hub"
    monkeypatch.setenv("HUB_CACHE_SIZE", "much")
    with pytest.raises(UsageError, match="HUB_CACHE_SIZE"):
        Cache.usual()


def test_the_command_lists_removes_and_makes_room(hub: Callable[..., Ran], document: Callable[..., Any]) -> None:
    usual = Cache.usual()
    for number in range(4):
        put(usual, KEYS[number], used=1000 - number)
    listed = document("cache-ls", "cache", "ls")
    assert [e["key"] for e in listed["entries"]] == KEYS[:4]
    assert listed["nbytes"] == 400
    assert KEYS[0] in hub("cache", "ls").out
    assert document("cache-rm", "cache", "rm", KEYS[0])["freed"] == 100
    assert document("cache-gc", "cache", "gc", "--limit", "200")["removed"] == [KEYS[3]]
    assert hub("cache", "rm", "--all").code == 0
    assert document("cache-ls", "cache", "ls")["entries"] == []


def test_the_command_says_what_cannot_be_removed(hub: Callable[..., Ran]) -> None:
    _, lock, _ = Cache.usual().obtain(KEYS[0], maker(10))
    busy = hub("cache", "rm", KEYS[0])
    assert (busy.code, "in use" in busy.out) == (1, True)
    lock.close()
    for arguments in ((), (KEYS[1],), (KEYS[0], "--all")):
        assert hub("cache", "rm", *arguments).code == 2
    assert hub("cache", "rm", KEYS[0]).code == 0
