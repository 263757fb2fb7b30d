"""Where the parts of a bundle lie.

    byte 0       PREAMBLE bytes: a shell script that finds Python, and says where model and tail lie
    4096         the model, a GGUF file as it is; llama.cpp maps it from here
    behind it    what runs it, a zip file that is unpacked once
    at the end   the tail, a zip file in which Python finds __main__.py

The preamble holds the tail's digest, the tail those of all the rest: no byte belongs to none of them.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from hub.embedded import head_of
from hub_deploy.bundle import _boot
from hub_deploy.bundle._unpack import AGAIN

PREAMBLE = 4096  # a page: what begins behind it can be mapped

_SCRIPT = """\
# tail: byte {tail}, sha256 {digest}
# This is a bundle of hub: a model, and what runs it on {machine} with Python {python}.
# ./THIS --help lists what it does; python{python} THIS is the same where there is no shell.
if [ "$(wc -c < "$0")" -ne {size} ]; then
  echo "hub: error: $0: is damaged: it has $(wc -c < "$0" | tr -d ' ') bytes, {size} were expected;" \\
    "{again}" >&2
  exit 1
fi
for python in python{python} python3 python; do
  if command -v "$python" > /dev/null 2>&1 &&
    "$python" -I -S -c 'import sys; sys.exit(sys.version_info[:2] != {version})' > /dev/null 2>&1; then
    exec "$python" -I -S -c '
import hashlib, runpy, sys
del sys.argv[0]
with open(sys.argv[0], "rb") as file:
    file.seek({tail})
    if hashlib.sha256(file.read()).hexdigest() != "{digest}":
        sys.exit("hub: error: " + sys.argv[0] + ": is damaged behind byte {tail}; {again}")
runpy.run_path(sys.argv[0], run_name="__main__")' "$0" "$@"
  fi
done
echo "hub: error: $0: needs Python {python}, which is not on the PATH" >&2
exit 2
"""


def preamble(model: tuple[int, str], tail: int, digest: str, size: int, runs_on: Mapping[str, Any]) -> bytes:
    """The first `PREAMBLE` bytes; `model` is its size and digest, `tail` where it begins, `size` the whole file's."""
    python = str(runs_on["python"])
    version = "({}, {})".format(*python.split("."))
    machine = f"{runs_on['system']} {runs_on['machine']}"
    facts = {"tail": tail, "digest": digest, "size": size, "python": python, "version": version, "machine": machine}
    script = _SCRIPT.format(**facts, again=AGAIN)
    made = head_of(PREAMBLE, *model) + script.encode()
    return made.ljust(PREAMBLE, b"\n")


STARTS = frozenset(
    f"hub_deploy/{name}.pyc" for name in ("__init__", "bundle/__init__", "bundle/_boot", "bundle/_unpack")
)
"""The modules that the tail holds."""


def tail(contents: Mapping[str, Any], starts: Mapping[str, bytes], digest: str = "0" * 64) -> bytes:
    """The zip file at the end: what `starts` (`STARTS`, compiled), `contents` as JSON, the preamble's `digest`.

    That one is taken with zeros where the tail's own digest stands. The size is the same for any.
    """
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry("__main__.py"), _boot.main_of(contents["runs_on"]))
        for name in sorted(starts):
            archive.writestr(entry(name), starts[name])
        archive.writestr(entry(_boot.CONTENTS), json.dumps(contents, sort_keys=True).encode())
        archive.writestr(entry(_boot.PREAMBLE), digest, zipfile.ZIP_STORED)
    return out.getvalue()


def ends(contents: Mapping[str, Any], starts: Mapping[str, bytes], model: tuple[int, str]) -> tuple[bytes, bytes]:
    """Preamble and tail, each with the digest of the other; `model` is the model's size and digest."""
    start, runs_on = int(contents["tail"]), contents["runs_on"]
    size = start + len(tail(contents, starts))
    blank = preamble(model, start, "0" * 64, size, runs_on)
    last = tail(contents, starts, hashlib.sha256(blank).hexdigest())
    return preamble(model, start, hashlib.sha256(last).hexdigest(), size, runs_on), last


def entry(name: str) -> zipfile.ZipInfo:
    """An entry of a zip file that is the same on every day."""
    made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    made.compress_type = zipfile.ZIP_DEFLATED
    made.create_system = 3
    made.external_attr = 0o644 << 16
    return made
