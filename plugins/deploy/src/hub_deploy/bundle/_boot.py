"""What a bundle runs first: is this the machine, is the file whole, where is what runs the model; then the app.

This module goes into every bundle, compiled, as `hub_boot`, and knows nothing but Python's own library. `main_of` is
for those who make bundles.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CONTENTS, PREAMBLE = "bundle.json", "preamble"  # in the tail
PART = 16 << 20  # as in hub.embedded
KEPT = 3  # runtimes in the cache, of bundles of different versions

_TAIL = re.compile(rb"^# tail: byte (\d{1,18}), sha256 ([0-9a-f]{64})$", re.MULTILINE)
AGAIN = "copy the file again from where it came from"

# Runs on any Python, and before anything else. Where Python was not started so, it starts again without this machine's
# packages and variables.
_MAIN = """\
import sys
wanted = ({python!r}, {implementation!r})
found = ("%d.%d" % sys.version_info[:2], sys.implementation.name if hasattr(sys, "implementation") else "cpython")
if found != wanted:
    sys.stderr.write("hub: error: %s: needs Python %s (%s), this is %s (%s); python%s %s runs it\\n"
                     % ((sys.argv[0],) + wanted + found + (wanted[0], sys.argv[0])))
    sys.exit(2)
if sys.executable and not (sys.flags.isolated and sys.flags.no_site):
    import os
    os.execv(sys.executable, [sys.executable, "-I", "-S"] + sys.argv)
import hub_boot
sys.exit(hub_boot.main(sys.argv))
"""


def main_of(runs_on: dict[str, Any]) -> bytes:
    """The text of the bundle's __main__.py."""
    return _MAIN.format(python=runs_on["python"], implementation=runs_on["implementation"]).encode()


class Refused(Exception):
    """Why the bundle does not start; `code` 1: it is damaged, 2: it cannot run here."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def main(argv: list[str]) -> int:
    """Start the app that `argv[0]` is; its exit code."""
    path = Path(argv[0]).resolve()
    try:
        contents = whole(path)
        fit(contents["runs_on"])
        home = unpacked(path, contents)
    except Refused as error:
        print(f"hub: error: {path}: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"hub: error: {path}: cannot start: {error}", file=sys.stderr)
        return 2
    sys.dont_write_bytecode = True  # what is unpacked stays what it is
    sys.path[:] = [entry for entry in sys.path if entry != str(path) and entry != argv[0]] + [str(home)]
    if argv[1:2] == ["-m"] and len(argv) > 2:
        return _module(argv)
    from hub_deploy.bundle.app import run  # the one in the bundle

    return run(path, contents, argv[1:])


def _module(argv: list[str]) -> int:
    """Another process of the same program: a module of it runs, as with `python -m`."""
    import runpy

    sys.argv = [argv[0], *argv[3:]]
    _app(Path(argv[0]).resolve())
    runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
    return 0


def _app(path: Path) -> None:
    from hub_deploy.bundle.app import own_processes

    own_processes(path)


def whole(path: Path) -> dict[str, Any]:
    """What the bundle holds. `Refused` (1) when preamble or tail are not what they were made as, or it is cut short."""
    with path.open("rb") as file:
        head = file.read(4096)
        found = _TAIL.search(head)
        if found is None:
            raise Refused(f"is damaged: its first page does not say where its parts lie; {AGAIN}", 1)
        start, digest = int(found[1]), found[2].decode()
        file.seek(start)
        tail = file.read()
    if hashlib.sha256(tail).hexdigest() != digest:
        raise Refused(f"is damaged behind byte {start}, or cut short; {AGAIN}", 1)
    text, head_digest = _of_zip(tail, CONTENTS, PREAMBLE)
    contents: dict[str, Any] = json.loads(text)
    blank = head.replace(found[2], b"0" * 64)
    if hashlib.sha256(blank).hexdigest().encode() != head_digest:
        raise Refused(f"is damaged within its first {len(head)} bytes; {AGAIN}", 1)
    return contents


def _of_zip(data: bytes, *names: str) -> list[bytes]:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [archive.read(name) for name in names]


def fit(runs_on: dict[str, Any]) -> None:
    """`Refused` (2) unless this machine is one that the bundle was made for."""
    here = (_system(), os.uname().machine)
    wanted = (runs_on["system"], runs_on["machine"])
    if here != wanted:
        raise Refused(f"was made for {' '.join(wanted)}, this is {' '.join(here)}", 2)
    if runs_on["glibc"]:
        _check_glibc(runs_on["glibc"])
    lacking = sorted(set(runs_on["cpu"]) - _cpu(set(runs_on["cpu"])))
    if lacking:
        hint = "bundle it with a llama-cpp-python that was built for this processor"
        raise Refused(f"needs a processor with {', '.join(lacking)}; {hint}", 2)
    for name in runs_on["libraries"]:
        _check_library(name)


def _system() -> str:
    return "macos" if sys.platform == "darwin" else sys.platform


def _check_glibc(wanted: str) -> None:
    try:
        found = (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
    except (AttributeError, ValueError, OSError):
        found = ""
    if not found:
        raise Refused(f"needs glibc {wanted} or later, and the C library here is another", 2)
    if tuple(map(int, found.split(".")[:2])) < tuple(map(int, wanted.split("."))):
        raise Refused(f"needs glibc {wanted} or later, this is {found}", 2)


def _cpu(unknown: set[str]) -> set[str]:
    """The processor's features as Linux names them; where it does not list them, those asked for (`unknown`)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return unknown
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else unknown


def _check_library(name: str) -> None:
    import ctypes

    try:
        ctypes.CDLL(name)
    except OSError:
        raise Refused(f"needs the system's {name}, which is not there; the package manager has it", 2) from None


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
        for name, data in zip(contents["files"], _of_zip(blob, *contents["files"]), strict=True):
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
