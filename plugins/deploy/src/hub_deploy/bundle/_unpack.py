"""What runs the model, in hub's cache: unpacked once, compared at every start. Goes into every bundle, as `_boot`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

AGAIN = "copy the file again from where it came from"
PART = 16 << 20  # as in hub.embedded
KEPT = 3  # runtimes in the cache, of bundles of different versions


class Refused(Exception):
    """Why the bundle does not start; `code` 1: it is damaged, 2: it cannot run here."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def unpacked(path: Path, contents: dict[str, Any]) -> Path:
    """The folder with what runs the model, unpacked now or before, every file compared with its digest.

    It stays for the next start, in hub's cache, and while this process lives. `Refused` (1) when the bundle's own copy
    is damaged. Where no cache can be written it is unpacked for this process alone.
    """
    runtime = contents["runtime"]
    if _digest(path, runtime["offset"], runtime["nbytes"]) != runtime["digest"]:
        raise Refused(f"is damaged between bytes {runtime['offset']} and {contents['tail']}; {AGAIN}", 1)
    try:
        folder = cache()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _hold(folder / f"{runtime['digest'][:32]}.lock")
    except OSError as error:
        return _for_now(path, contents, error)
    home = folder / str(runtime["digest"])[:32]
    if home.is_dir() and not _same(home, contents):
        _say(f"{home} is not what was unpacked there; unpacking it anew")
        _put_away(home)
    if not home.is_dir():
        _say(f"unpacking what runs the model into {home}, {runtime['unpacked'] / 1e6:.0f} MB, once")
        _unpack(path, contents, home)
        _trim(folder, home)
    return home


def cache() -> Path:
    """The folder for unpacked runtimes: bundles in HUB_CACHE, or in hub in XDG_CACHE_HOME or ~/.cache."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hub"
    return Path(os.environ.get("HUB_CACHE") or usual).absolute() / "bundles"


def _say(text: str) -> None:
    print(f"hub: {text}", file=sys.stderr, flush=True)


def _hold(lock: Path) -> None:
    """Hold the lock of a runtime, together with others, for as long as this process lives."""
    import fcntl

    fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH)
    os.utime(lock)


def _for_now(path: Path, contents: dict[str, Any], error: OSError) -> Path:
    import atexit
    import shutil
    import tempfile

    home = Path(tempfile.mkdtemp(prefix="hub-bundle-")) / "runtime"
    atexit.register(shutil.rmtree, home.parent, ignore_errors=True)
    _say(f"the cache cannot be written ({error}); unpacking into {home}, for this run alone; HUB_CACHE names another")
    _unpack(path, contents, home)
    return home


def _unpack(path: Path, contents: dict[str, Any], home: Path) -> None:
    """Write the runtime beside `home`, compare every file, and move it there whole."""
    import shutil
    import tempfile

    new = Path(tempfile.mkdtemp(prefix=".new-", dir=home.parent))
    try:
        with path.open("rb") as file:
            file.seek(contents["runtime"]["offset"])
            blob = file.read(contents["runtime"]["nbytes"])
        for name, data in zip(contents["files"], of_zip(blob, *contents["files"]), strict=True):
            _write(new / name, data)
        for name, other in contents["links"].items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(new / other, new / name)
        if not _same(new, contents):
            raise Refused(f"could not be unpacked into {home.parent}: what was written there reads otherwise", 2)
        with contextlib.suppress(OSError):  # another start was faster; what it made is the same
            new.rename(home)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def _same(home: Path, contents: dict[str, Any]) -> bool:
    """Whether the folder holds the runtime's files, each with the bytes it had in the bundle, and no others."""
    wanted = contents["files"] | {name: contents["files"][other] for name, other in contents["links"].items()}
    if _listed(home) != wanted.keys():
        return False
    names = sorted(wanted)
    shares = [names[i :: _cores()] for i in range(_cores())]
    with ThreadPoolExecutor(_cores()) as pool:
        return all(pool.map(lambda share: all(_is(home, name, wanted[name]) for name in share), shares))


def _listed(home: Path) -> set[str]:
    root, found, waiting = str(home), set(), [str(home)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    found.add(entry.path[len(root) + 1 :])
    return found


def _is(home: Path, name: str, digest: str) -> bool:
    try:
        with open(f"{home}/{name}", "rb", buffering=0) as file:  # noqa: PTH123  # thousands of files: this is the fast way
            return hashlib.sha256(file.read()).hexdigest() == digest
    except OSError:
        return False


def _put_away(home: Path) -> None:
    import shutil
    import tempfile

    with contextlib.suppress(FileNotFoundError):
        home.rename(Path(tempfile.mkdtemp(prefix=".old-", dir=home.parent)) / "old")
    for old in home.parent.glob(".old-*"):
        shutil.rmtree(old, ignore_errors=True)


def _trim(folder: Path, keep: Path) -> None:
    """Remove the runtimes that were used longest ago, down to `KEPT`; those of programs that run stay."""
    import fcntl
    import shutil

    locks = sorted(folder.glob("*.lock"), key=lambda lock: lock.stat().st_mtime, reverse=True)
    for lock in [one for one in locks if one.stem != keep.name][KEPT - 1 :]:
        with lock.open("r+b") as file, contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder / lock.stem, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _digest(path: Path, offset: int, nbytes: int) -> str:
    """The digest of `hub.embedded.digest`, of bytes that fit into memory."""
    with path.open("rb") as file, ThreadPoolExecutor(_cores()) as pool:
        fd, end = file.fileno(), offset + nbytes
        parts = pool.map(
            lambda at: hashlib.sha256(os.pread(fd, min(PART, end - at), at)).digest(), range(offset, end, PART)
        )
        return hashlib.sha256(b"".join(parts)).hexdigest()


def of_zip(data: bytes, *names: str) -> list[bytes]:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [archive.read(name) for name in names]
