"""GGUF files made of other formats, kept by content: each made once, found again, the least recently used removed."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hub.errors import HubError, UsageError
from hub_runtime.bridge._lock import Busy, Lock
from hub_runtime.bridge._records import Records

DEFAULT_LIMIT = 20 << 30
_FILE, _ABOUT = "model.gguf", "entry.json"
_STAMPS = ("mtime_ns", "ctime_ns", "inode")
_KEY = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """One GGUF file: its key, where it lies, what it was made of and when (`time.time`), when it was last used.

    `mtime_ns`, `ctime_ns` and `inode` are the file's as it was put there: a file that was written to since has others.
    """

    key: str
    path: Path
    source: str
    format: str
    nbytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    made: float
    used: float


class Cache:
    """The cache in `folder`, of at most `limit` bytes as far as entries in use allow it."""

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.folder, self.limit = folder, limit
        self.entries_folder = folder / "bridge"
        self.records = Records(folder / "sources")

    @classmethod
    def usual(cls) -> Cache:
        """The user's: HUB_CACHE, or hub in XDG_CACHE_HOME or ~/.cache; HUB_CACHE_SIZE ("50GB") bounds it."""
        from hub.cli import nbytes

        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(os.environ.get("HUB_CACHE") or Path(home) / "hub")
        limit = nbytes(os.environ.get("HUB_CACHE_SIZE") or None, "HUB_CACHE_SIZE")
        return cls(folder, DEFAULT_LIMIT if limit is None else limit)

    def entries(self) -> list[Entry]:
        """All sound entries, the most recently used first."""
        if not self.entries_folder.is_dir():
            return []
        found = [self.find(p.name) for p in self.entries_folder.iterdir() if _KEY.match(p.name)]
        return sorted((e for e in found if e), key=lambda e: e.used, reverse=True)

    def find(self, key: str) -> Entry | None:
        """The entry `key`; None when there is none, or its file is not what was put there."""
        folder = self.entries_folder / key
        try:
            about: dict[str, Any] = json.loads((folder / _ABOUT).read_bytes())
            stat = (folder / _FILE).stat()
            entry = Entry(**about, path=folder / _FILE, used=(folder / _ABOUT).stat().st_mtime)
        except (OSError, ValueError, TypeError):
            return None
        as_put = {name: getattr(entry, name) for name in ("nbytes", *_STAMPS)}
        return entry if entry.key == key and as_put == _stamps(stat) else None

    def obtain(self, key: str, make: Callable[[Path], dict[str, Any]]) -> tuple[Entry, Lock, bool]:
        """The entry `key`, a lock that keeps it until closed, and whether it was made now.

        `make(path)` writes the file and returns `source`, `format` and `made`. Whoever else wants the entry waits.
        """
        made = False
        for _ in range(5):
            lock = self._lock(key, shared=True)
            entry = self.find(key)
            if entry is not None:
                os.utime(self.entries_folder / key / _ABOUT)
                return entry, lock, made
            lock.close()
            with self._lock(key, shared=False):
                if self.find(key) is None:
                    self._make(key, make)
                    made = True
            self.trim(keep=key)
        raise HubError("the entry is removed as soon as it is made", file=self.entries_folder / key)

    def _lock(self, key: str, *, shared: bool, wait: bool = True) -> Lock:
        try:
            self.entries_folder.mkdir(parents=True, exist_ok=True)
            return Lock(self.entries_folder / f"{key}.lock", shared=shared, wait=wait)
        except OSError as error:
            hint = "HUB_CACHE names another folder; --bridge memory needs none"
            raise HubError(f"the cache cannot be written: {error.strerror}", file=self.folder, hint=hint) from error

    def _make(self, key: str, make: Callable[[Path], dict[str, Any]]) -> None:
        """Make the entry under another name and move it into place; the lock is held."""
        self._clear(key)
        building = self.entries_folder / f".{key}.{os.getpid()}"
        building.mkdir()
        try:
            about = make(building / _FILE)
            stat = (building / _FILE).stat()
            about |= {"key": key, **_stamps(stat)}
            (building / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
            building.rename(self.entries_folder / key)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _clear(self, key: str) -> None:
        """Remove an unsound entry and what makers that died left of it."""
        for leftover in (self.entries_folder / key, *self.entries_folder.glob(f".{key}.*")):
            shutil.rmtree(leftover, ignore_errors=True)

    def remove(self, key: str) -> bool:
        """Remove the entry `key`; False when somebody uses it. `UsageError` when there is none."""
        if not _KEY.match(key) or not (self.entries_folder / key).is_dir():
            raise UsageError(f"the cache has no entry {key!r}", hint="hub cache ls lists them")
        try:
            with self._lock(key, shared=False, wait=False) as lock:
                self._clear(key)
                lock.path.unlink(missing_ok=True)
        except Busy:
            return False
        return True

    def trim(self, limit: int | None = None, keep: str | None = None) -> list[Entry]:
        """Remove the least recently used entries until the rest takes at most `limit` bytes; those removed."""
        limit = self.limit if limit is None else limit
        entries = self.entries()
        total, removed = sum(e.nbytes for e in entries), []
        for entry in reversed(entries):
            if total > limit and entry.key != keep:
                with suppress(UsageError):  # another process was faster
                    if not self.remove(entry.key):
                        continue
                total -= entry.nbytes
                removed.append(entry)
        return removed

    def sweep(self) -> int:
        """Remove unsound entries, what makers that died left, and records of sources that are gone; how many."""
        count = self.records.prune()
        if not self.entries_folder.is_dir():
            return count
        names = {m[1] for p in self.entries_folder.iterdir() if (m := re.match(r"\.?([0-9a-f]{32})(\.|\Z)", p.name))}
        for key in names:
            with suppress(Busy), self._lock(key, shared=False, wait=False) as lock:
                if self.find(key) is None:
                    self._clear(key)
                    lock.path.unlink(missing_ok=True)
                    count += 1
        return count


def _stamps(stat: os.stat_result) -> dict[str, int]:
    """What tells a file that was put into the cache from one that was changed since."""
    numbers = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    return {"nbytes": stat.st_size, **dict(zip(_STAMPS, numbers, strict=True))}


def about(source: Path, format_name: str, made: float) -> dict[str, Any]:
    """What a maker says of its entry."""
    return {"source": str(source), "format": format_name, "made": made}


def as_document(entry: Entry) -> dict[str, Any]:
    """The entry as `hub cache ls --json` shows it."""
    shown = asdict(entry)
    return {name: value for name, value in shown.items() if name not in _STAMPS}
