"""The distributions as a stranger installs them: wheels in an environment of its own, used from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
MEMBERS = [
    p.parent for folder in ("plugins/*", "conformance", "examples/*") for p in ROOT.glob(f"{folder}/pyproject.toml")
]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


class Stranger:
    """An environment that holds our wheels, and what they depend on from the environment of the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "elsewhere"
        self.folder.mkdir()
        venv.create(folder / "env", with_pip=False, symlinks=os.name != "nt")
        self.bin = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / "python"
        self.site = Path(self.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        self._lend(folder / "lent")

    def _lend(self, lent: Path) -> None:
        """Make the tests' packages visible, without ours and without what editable installs leave behind."""
        lent.mkdir()
        for kind in ("purelib", "platlib"):
            for entry in Path(sysconfig.get_path(kind)).iterdir():
                ours = entry.name.lower().startswith(("hub", "__editable__", "_editable", "__pycache__"))
                if not ours and entry.suffix != ".pth" and not (lent / entry.name).exists():
                    (lent / entry.name).symlink_to(entry)
        (self.site / "lent.pth").write_text(str(lent))

    def install(self, *wheels: Path) -> None:
        command = [*PIP, "--python", str(self.python), "install", "--no-deps", "--no-index", *map(str, wheels)]
        subprocess.run(command, check=True)

    def remove(self, distribution: str) -> None:
        subprocess.run([*PIP, "--python", self.python, "uninstall", "--yes", distribution], check=True)

    @staticmethod
    def environment() -> dict[str, str]:
        """The variables of this process but those that speak to Python or to hub."""
        return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HUB_"))}

    def call(self, *command: object) -> subprocess.CompletedProcess[str]:
        words = [str(self.bin / str(command[0])), *map(str, command[1:])]
        return subprocess.run(
            words, cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False
        )

    def run(self, *command: object) -> str:
        done = self.call(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    folder = tmp_path_factory.mktemp("stranger")
    wheels = folder / "wheels"
    command = [*PIP, "wheel", "--no-deps", "-w", str(wheels), str(ROOT), *map(str, MEMBERS)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"pip cannot build wheels here: {built.stderr.strip().splitlines()[-1:]}")
    made = Stranger(folder)
    made.install(*wheels.glob("*.whl"))
    return made


def formats(stranger: Stranger) -> dict[str, Any]:
    return {f["name"]: f for f in json.loads(stranger.run("hub", "formats", "--json"))["formats"]}


def test_the_wheels_bring_the_formats(stranger: Stranger) -> None:
    where = stranger.run("python", "-c", "import hub, hub_npz; print(hub.__file__, hub_npz.__file__)").split()
    assert all(Path(file).is_relative_to(stranger.site) for file in where)
    said = json.loads(stranger.run("hub", "plugins", "--json"))
    assert said["problems"] == []
    assert set(formats(stranger)) == {"apr", "gguf", "npz", "safetensors"}


def test_the_wheels_hold_types_schemas_and_no_tests(stranger: Stranger) -> None:
    assert (stranger.site / "hub" / "py.typed").exists()
    assert (stranger.site / "hub" / "schemas" / "convert.json").exists()
    assert not list(stranger.site.glob("hub*/**/test_*.py"))


def test_a_model_goes_into_a_stranger_s_format_and_back(stranger: Stranger, make_gguf: Callable[..., Path]) -> None:
    source = make_gguf(stranger.folder / "model.gguf")
    stranger.run("hub", "convert", "model.gguf", "model.npz")
    stranger.run("hub", "convert", "model.npz", "back.gguf")
    stranger.run("hub", "diff", "model.gguf", "back.gguf")
    first, last = (gguf.GGUFReader(p) for p in (source, stranger.folder / "back.gguf"))
    assert {t.name: t.data.tobytes() for t in first.tensors} == {t.name: t.data.tobytes() for t in last.tensors}
    arrays = np.load(stranger.folder / "model.npz", allow_pickle=False)
    embedding = next(t.data for t in first.tensors if t.name == "token_embd.weight")
    assert np.array_equal(arrays["model.embed_tokens.weight"], embedding)


BLOCK = re.compile(r"^```(?P<kind>\w+)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def spoken(stranger: Stranger, folder: Path, command: str) -> str:
    """What a command of the page prints, run by the shell in the stranger's environment."""
    pip = f"'{sys.executable}' -m pip --quiet --disable-pip-version-check --python '{stranger.python}'"
    command = re.sub(r"^pip install", f"{pip} install --no-deps", command)
    environment = stranger.environment() | {"PATH": f"{stranger.bin}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S602  # the commands of our own page
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.skipif(os.name == "nt", reason="the page speaks to a POSIX shell")
def test_the_page_for_authors_ends_in_a_package(stranger: Stranger, make_gguf: Callable[..., Path]) -> None:
    folder = stranger.folder / "hub-tin"
    (folder / "src").mkdir(parents=True)
    make_gguf(folder / "model.gguf")
    commands = 0
    for block in BLOCK.finditer((ROOT / "docs" / "writing-a-plugin.md").read_text()):
        if block["file"]:
            (folder / block["file"]).write_text(block["text"])
        elif block["kind"] == "console":
            for text in block["text"].split("$ ")[1:]:
                command, *expected = text.splitlines()
                said = iter(spoken(stranger, folder, command).splitlines())
                for line in expected:  # "..." stands for what may differ: lines, or the rest of one
                    assert line == "..." or any(s.startswith(line.removesuffix("...")) for s in said), (command, line)
                commands += 1
    assert commands == 11
    stranger.remove("hub-tin")


def test_hub_knows_a_stranger_s_format_while_it_is_installed(stranger: Stranger) -> None:
    listed = formats(stranger)["npz"]
    assert (listed["title"], listed["plugin"], listed["drops"]) == ("NumPy npz", "npz", [])
    assert "npz: conformant" in stranger.run("hub", "conformance", "npz", "--only", "*come_back*")
    (wheel,) = stranger.folder.parent.glob("wheels/hub_npz-*.whl")
    stranger.remove("hub-npz")
    assert set(formats(stranger)) == {"apr", "gguf", "safetensors"}
    refused = stranger.call("hub", "convert", "model.gguf", "other.npz")
    assert refused.returncode == 2
    assert ".npz is no installed format's" in refused.stderr
    stranger.install(wheel)
    assert "npz" in formats(stranger)
