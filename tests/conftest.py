"""Fixtures for tests of the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# A third party's format, complete: raw tensors behind a line of JSON. Its writer can be told to stop half way.
TOY = """
import json, os, time
from pathlib import Path
from hub.hookspecs import hookimpl
from hub.interface import BaseFormat, Capabilities, Magic
from hub.ir import ENCODINGS, Config, File, Model, Tensor

class Toy(BaseFormat):
    name, title, extensions, magic = "toy", "Toy", (".toy",), (Magic(b"TOY1"),)
    capabilities = Capabilities(frozenset({"F32", "F16"}), tokenizer=False, ties=False)
    drops = frozenset({"tokenizer", "ties"})

    def read(self, path):
        file = File(path)
        size = int.from_bytes(file.read(4, 4), "little")
        head, tensors, at = json.loads(file.read(8, size)), {}, 8 + size
        for name, encoding, shape in head["tensors"]:
            tensors[name] = Tensor.from_file(name, shape, ENCODINGS[encoding], file, at)
            at += tensors[name].nbytes
        return Model(tensors, Config(head["config"]))

    def write(self, plan, sink, options):
        index = [(p.tensor.name, p.tensor.encoding.name, p.tensor.shape) for p in plan.tensors]
        head = json.dumps({"tensors": index, "config": dict(plan.document.config)}).encode()
        path, at, placements = sink.create(), 8 + len(head), []
        path.write_bytes(b"TOY1" + len(head).to_bytes(4, "little") + head)
        for planned in plan.tensors:
            placements.append((at, planned.tensor))
            at += planned.tensor.nbytes
        if os.environ.get("TOY_STOP"):
            Path(os.environ["TOY_STOP"]).touch()
            time.sleep(60)
        sink.copy(path, placements)
        if os.environ.get("TOY_FLIP"):
            with path.open("r+b") as file:
                file.seek(-1, 2)
                last = file.read(1)
                file.seek(-1, 2)
                file.write(bytes([last[0] ^ 1]))

@hookimpl
def hub_formats():
    return [Toy()]
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module `toy_format` on the path of child processes, as a plugin; its folder."""
    folder = tmp_path / "toy-plugin"
    folder.mkdir()
    (folder / "toy_format.py").write_text(TOY)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("HUB_PLUGINS", "toy_format")
    return folder


Hub = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """Runs the program in `tmp_path` as a user would."""

    def run(*args: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hub", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, **options)  # type: ignore[call-overload,no-any-return]

    return run
