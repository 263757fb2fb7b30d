"""Where the course's lines run: a scratch folder, `hub` as a program, and a loopback hub with the course's models."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub_loopback import Loopback, served

from tests.course import model
from tests.course.shell import Ran, Shell

ROOT = Path(__file__).parents[2]
REPOSITORY, ORIGINAL = "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "Qwen/Qwen2.5-0.5B-Instruct"
FILE = "qwen2.5-0.5b-instruct-{}.gguf"
QUANTIZATIONS = ("q4_k_m", "q8_0")
PORTS = (8001, 8002, 8003)
# What the course's lines write outside the scratch folder; it is put back as it was.
OUTSIDE = [Path("/tmp") / f"{m}-{n}" for m in ("gguf", "safetensors", "apr") for n in ("output.txt", "trace.json")]  # noqa: S108

Served = Mapping[str, Mapping[str, bytes]]


@dataclass
class Scene:
    """The shell, what it has run, and what the hub serves: by repository, the bytes of its files."""

    root: Path
    vocabulary: Path
    env: Mapping[str, str]
    shell: Shell
    served: Served
    rans: list[Ran] = field(default_factory=list)

    @property
    def capstone(self) -> Path:
        """The student's folder."""
        return self.root / "capstone"

    def hub(self, *args: object) -> subprocess.CompletedProcess[str]:
        """`hub` beside the course's lines, in the student's folder."""
        return hub(self.env, self.capstone, *args)

    def document(self, *args: object) -> Any:
        """The JSON document of a command that must succeed."""
        done = self.hub(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@dataclass(frozen=True)
class Seen(Ran):
    """A line that has run, and where."""

    scene: Scene


def hub(env: Mapping[str, str], folder: Path, *args: object) -> subprocess.CompletedProcess[str]:
    """The tested `hub` as a user runs it."""
    command = [sys.executable, "-m", "hub", *map(str, args)]
    return subprocess.run(command, cwd=folder, env=dict(env), capture_output=True, text=True, timeout=600, check=False)


def environment(root: Path) -> dict[str, str]:
    """The user's environment without what is the user's own: tokens, caches, policies, proxies; `hub` comes first."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING", "HUB_")) and not name.lower().endswith("_proxy")
    }
    program = root / "bin" / "hub"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hub "$@"\n')
    program.chmod(0o755)
    paths = {"PYTHONPATH": str(ROOT), "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    home = {"HOME": str(root), "HF_HOME": str(root / "hf"), "HUB_CACHE": str(root / "cache")}
    xdg = {f"XDG_{kind}_HOME": str(root / kind.lower()) for kind in ("CONFIG", "CACHE", "DATA")}
    npm = {"NPM_CONFIG_USERCONFIG": os.environ.get("NPM_CONFIG_USERCONFIG", str(Path.home() / ".npmrc"))}
    return kept | paths | home | xdg | npm | {"HF_HUB_DISABLE_XET": "1", "LC_ALL": "C.UTF-8"}


def repositories(root: Path, env: Mapping[str, str], vocabulary: Path) -> Served:
    """The files of the course's repository and of its original, made with hub from the model in F16."""
    made = root / "served"
    made.mkdir()
    half = model.write(made / "f16.gguf", vocabulary)
    wanted = {FILE.format(name): ("--encode", name) for name in QUANTIZATIONS} | {"original": ()}
    for target, flags in wanted.items():
        done = hub(env, made, "convert", half, target, *flags)
        assert done.returncode == 0, done.stderr
    files = {name: (made / name).read_bytes() for name in wanted if name != "original"}
    original = {p.name: p.read_bytes() for p in (made / "original").iterdir()}
    return {REPOSITORY: files, ORIGINAL: original | {"README.md": b"---\nlicense: apache-2.0\n---\n# Qwen2.5\n"}}


@contextmanager
def opened(root: Path, vocabulary: Path) -> Iterator[Scene]:
    """The scene in the empty folder `root`; everything that was started has ended after it, and /tmp is as it was."""
    env = environment(root)
    found = repositories(root, env, vocabulary)
    notes = root / "notes"
    notes.mkdir()
    with contextlib.contextmanager(served)(Loopback()) as server, _put_back(OUTSIDE):
        for name, files in found.items():
            server.add(name, files)
        env["HF_ENDPOINT"] = server.url
        with Shell(root, notes, env) as shell:
            yield Scene(root, vocabulary, env, shell, found)


@contextmanager
def _put_back(paths: list[Path]) -> Iterator[None]:
    before = {path: path.read_bytes() if path.exists() else None for path in paths}
    try:
        yield
    finally:
        for path, data in before.items():
            if data is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(data)


def taken() -> list[int]:
    """Those of the course's ports that somebody listens on."""
    found = []
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found
