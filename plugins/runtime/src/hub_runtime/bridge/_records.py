"""What is remembered about a model's files, so that unchanged ones are neither checked nor read again.

A file counts as unchanged when size, inode and both times are as they were, and the times are well before the moment
it was looked at: a change within the clock's last tick would leave them as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hub.embedded import digest
from hub.inspection import stored_files
from hub.opening import open_model

SETTLED = 2 * 10**9  # ns between a file's last change and the look at it, at least


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as it was: stat's numbers, and the digest of its bytes when it was taken."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    digest: str | None = None

    @classmethod
    def of(cls, path: Path) -> FileRecord:
        """The file as it is now, without digest."""
        stat = path.stat()
        return cls(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@dataclass(frozen=True, slots=True)
class Record:
    """A model that was found sound at time `seen` (ns): its files, and when the folder around them last changed."""

    source: str
    format: str
    files: tuple[FileRecord, ...]
    around: int
    seen: int

    def holds(self, now: FileRecord) -> bool:
        """True when `now` is one of the files and has not changed since."""
        known = next((f for f in self.files if f.path == now.path), None)
        return (
            known is not None
            and replace(known, digest=None) == now
            and max(now.mtime_ns, now.ctime_ns) < self.seen - SETTLED
        )

    @property
    def complete(self) -> bool:
        """True when every file's digest was taken."""
        return all(f.digest is not None for f in self.files)

    def digest(self, path: str) -> str | None:
        """The digest of the file at `path`."""
        return next((f.digest for f in self.files if f.path == path), None)


def files_of(path: Path, format_name: str) -> list[Path]:
    """Every file that the model at `path` is read from: all in a folder; shards and companions of a single file."""
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
    model = open_model(path, format_name)[1]
    beside = {path.parent / name for name in model.files}
    index = {p for p in path.parent.glob("*.index.json") if p.is_file()} if beside else set()
    return sorted({path} | stored_files(model) | index | {p for p in beside if p.is_file()})


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def around(path: Path) -> int:
    """When the listing of the folder that the model is in, or is, last changed."""
    return (path if path.is_dir() else path.parent).stat().st_mtime_ns


def look(path: Path, format_name: str, known: Record | None) -> tuple[list[FileRecord], bool]:
    """The model's files as they are now, and whether all of them are as `known` has them."""
    same_folder = known is not None and known.around == around(path) < known.seen - SETTLED
    if known is not None and same_folder and not path.is_dir():
        paths = [Path(f.path) for f in known.files]
    else:
        paths = files_of(path, format_name)
    now = [FileRecord.of(p) for p in paths]
    same = known is not None and len(now) == len(known.files) and all(known.holds(f) for f in now)
    return now, same


def record(path: Path, format_name: str, known: Record | None, *, digests: bool) -> Record:
    """The model at `path` as it is now, read only where `known` does not answer for it; `digests` takes those."""
    seen, listing = time.time_ns(), around(path)
    now, _ = look(path, format_name, known)
    if digests:
        now = [replace(f, digest=(known and known.holds(f) and known.digest(f.path)) or digest(f.path)) for f in now]
    return Record(str(path), format_name, tuple(now), listing, seen)


class Records:
    """The records, one small file for each source path, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _file(self, path: Path) -> Path:
        return self.folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"

    def get(self, path: Path) -> Record | None:
        """What is known about `path`; None when nothing is, or the record is no record."""
        try:
            found = json.loads(self._file(path).read_bytes())
            files = tuple(FileRecord(**f) for f in found["files"])
            made = Record(found["source"], found["format"], files, found["around"], found["seen"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return made if made.source == str(path) else None

    def put(self, path: Path, made: Record) -> None:
        """Remember; where nothing can be written, the next run looks again."""
        target = self._file(path)
        temporary = target.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(asdict(made)), encoding="utf-8")
            temporary.replace(target)
        except OSError:
            with suppress(OSError):
                temporary.unlink()

    def prune(self) -> int:
        """Forget sources that are gone; how many."""
        gone = [f for f in self._all() if not _source_exists(f)]
        for file in gone:
            file.unlink(missing_ok=True)
        return len(gone)

    def _all(self) -> Iterable[Path]:
        return list(self.folder.glob("*.json")) if self.folder.is_dir() else []


def _source_exists(file: Path) -> bool:
    try:
        return Path(json.loads(file.read_bytes())["source"]).exists()
    except (OSError, ValueError, TypeError, KeyError):
        return False
