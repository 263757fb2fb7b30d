"""What runs the model, as one zip file: the packages' files, Python's compiled."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from hub.errors import HubError
from hub.pipeline import default_budget
from hub_deploy.bundle._layout import STARTS, entry
from hub_deploy.bundle._machine import Needs, RunsOn
from hub_deploy.bundle._packages import Package

# Compiles Python sources, from stdin NAME, TAB, PATH a line, into the zip file argv[1]. It runs in a process of its
# own, always the same way: what marshal writes depends on which objects are shared with others. The pycs are taken
# as they are (PEP 552, unchecked): the bundle holds every file to a digest anyhow.
_COMPILER = """
import importlib.util, marshal, sys, zipfile
flags = (1).to_bytes(4, "little")
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for line in sys.stdin.buffer.read().decode().splitlines():
        name, _, path = line.partition("\\t")
        source = open(path, "rb").read()
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
        head = importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source)
        archive.writestr(name + "c", head + marshal.dumps(code))
"""


@dataclass
class Runtime:
    """The zip file at `path`: SHA-256 of each of its `files`; `links` name files that are the same as one of them.

    `unpacked` are the bytes of all files, `starts` the modules that start the bundle, compiled.
    """

    path: Path
    runs_on: RunsOn
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    unpacked: int = 0
    starts: dict[str, bytes] = field(default_factory=dict)


def pack(packages: list[Package], folder: Path) -> Runtime:
    """The runtime of `packages` as folder/runtime.zip, the same bytes from the same packages."""
    target, needs, seen = folder / "runtime.zip", Needs(), dict[str, str]()
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    starts: dict[str, bytes] = {}
    size = 0
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in _contents(packages, folder):
            needs.add(name, data)
            starts |= {name: data} if name in STARTS else {}
            digest = hashlib.sha256(data).hexdigest()
            if digest in seen and len(data) > 4096:  # libx.so and libx.so.0: wheels hold no symbolic links
                links[name] = seen[digest]
                continue
            seen[digest] = name
            files[name] = digest
            size += len(data)
            archive.writestr(entry(name), data)
    return Runtime(target, needs.runs_on(_info()), files, links, size, starts)


def _contents(packages: list[Package], folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file; Python's as compiled ones in the place of the sources."""
    jobs = default_budget().jobs
    with ThreadPoolExecutor(jobs) as pool:
        compiled = pool.map(lambda package: _compiled(package, folder), packages)
        for package, made in zip(packages, compiled, strict=True):
            with zipfile.ZipFile(made) as archive:
                for file in package.files:
                    if file.name.endswith(".py"):
                        yield f"{file.name}c", archive.read(f"{file.name}c")
                    else:
                        yield file.name, file.read()
            made.unlink()


def _compiled(package: Package, folder: Path) -> Path:
    """A zip file with the compiled sources of `package`."""
    made = folder / f"{package.name}.zip"
    sources = [file for file in package.files if file.name.endswith(".py")]
    for file in sources:
        file.read()  # what is compiled is what the wheel brought
    lines = "".join(f"{file.name}\t{file.path}\n" for file in sources)
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", _COMPILER, str(made)]
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise HubError(f"the package {package.name} does not compile: {''.join(last)}")
    return made


def _info() -> str:
    """What llama.cpp says it was compiled with."""
    from llama_cpp import llama_cpp

    return str(llama_cpp.llama_print_system_info().decode("utf-8", "replace"))
