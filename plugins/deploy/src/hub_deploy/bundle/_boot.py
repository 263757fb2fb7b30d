"""What a bundle runs first: is this the machine, is the file whole, where is what runs the model; then the app.

This module and `_unpack` go into the tail of every bundle, compiled, and know nothing but Python's own library. For
those who make bundles there is `main_of`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from hub_deploy.bundle._unpack import AGAIN, Refused, of_zip, unpacked

CONTENTS, PREAMBLE = "bundle.json", "preamble"  # in the tail

_TAIL = re.compile(rb"^# tail: byte (\d{1,18}), sha256 ([0-9a-f]{64})$", re.MULTILINE)

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
from hub_deploy.bundle import _boot
sys.exit(_boot.main(sys.argv))
"""


def main_of(runs_on: dict[str, Any]) -> bytes:
    """The text of the bundle's __main__.py."""
    return _MAIN.format(python=runs_on["python"], implementation=runs_on["implementation"]).encode()


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
    sys.path[:] = [entry for entry in sys.path if entry not in (str(path), argv[0])] + [str(home)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "hub_deploy"]:
        del sys.modules[name]  # of the tail's, which holds two modules of the package
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
    text, head_digest = of_zip(tail, CONTENTS, PREAMBLE)
    contents: dict[str, Any] = json.loads(text)
    blank = head.replace(found[2], b"0" * 64)
    if hashlib.sha256(blank).hexdigest().encode() != head_digest:
        raise Refused(f"is damaged within its first {len(head)} bytes; {AGAIN}", 1)
    return contents


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
