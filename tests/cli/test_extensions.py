"""Commands that other packages bring."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import typer

def greet(name: str) -> int:
    "Say hello."
    print("hello", name)
    return 1

group = typer.Typer()

@group.command()
def one() -> None:
    "The first."
    print("one")

@group.command()
def two() -> None:
    "The second."
"""


def install(site: Path, distribution: str, *lines: str) -> None:
    folder = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("\n".join(["[hub.v1.commands]", *lines]) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    install(folder, "strange-a", "greet = stranger:greet", "group = stranger:group", "broken = nowhere:x",
            "rosetta.greet = stranger:greet")  # fmt: skip
    (folder / "stranger.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    return folder


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hub", *args], capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("site")
def test_a_command_of_a_package_is_listed_behind_ours_and_runs() -> None:
    listed = run("--help").stdout
    assert listed.index("  demo ") < listed.index("  greet ") < listed.index("Say hello.")
    done = run("greet", "you")
    assert (done.returncode, done.stdout) == (1, "hello you\n")


@pytest.mark.usefixtures("site")
def test_a_group_of_commands_is_one_command() -> None:
    assert run("group", "one").stdout == "one\n"
    assert "The second." in run("group", "--help").stdout


@pytest.mark.usefixtures("site")
def test_a_command_with_a_dot_belongs_to_a_group_of_ours() -> None:
    assert "rosetta.greet" not in run("--help").stdout
    listed = run("rosetta", "--help").stdout
    assert listed.index("  convert ") < listed.index("  greet ") < listed.index("Say hello.")
    done = run("rosetta", "greet", "you")
    assert (done.returncode, done.stdout) == (1, "hello you\n")
    assert run("rosetta.greet", "you").returncode == 2


@pytest.mark.usefixtures("site")
def test_a_command_that_does_not_import_says_so_and_leaves_the_others() -> None:
    assert "cannot be used: ModuleNotFoundError" in run("--help").stdout
    done = run("broken", "--flag", "x")
    assert done.returncode == 2
    assert done.stderr.startswith("hub: error: the command cannot be used: ModuleNotFoundError")
    assert "[strange-a]" in done.stderr


def test_two_packages_with_one_command_are_both_named(site: Path) -> None:
    install(site, "strange-b", "greet = stranger:group")
    done = run("greet", "you")
    assert done.returncode == 2
    assert "greet is brought by strange-a and strange-b" in done.stderr


@pytest.mark.usefixtures("site")
def test_a_disabled_plugin_brings_no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DISABLE_PLUGINS", "strange-a")
    assert "greet" not in run("--help").stdout
    assert run("greet", "you").returncode == 2


def test_our_own_commands_cannot_be_replaced(site: Path) -> None:
    install(site, "strange-c", "convert = stranger:greet")
    assert "Convert a model" in run("convert", "--help").stdout


def test_a_command_that_a_known_package_would_bring_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DISABLE_PLUGINS", "hub-runtime")
    for name in ("run", "chat", "serve", "bench", "cache"):
        done = run(name, "model.gguf")
        assert done.returncode == 2
        assert done.stderr == (
            f"hub: error: the command {name} comes with the package hub-runtime; hub runtime install adds it\n"
        )


def test_a_command_of_a_group_that_a_known_package_would_bring_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DISABLE_PLUGINS", "hub-runtime")
    done = run("rosetta", "compare-inference", "a.gguf", "b.apr")
    assert done.returncode == 2
    assert "the command rosetta compare-inference comes with the package hub-runtime" in done.stderr


def test_the_install_of_the_runtime_shows_its_steps() -> None:
    if importlib.util.find_spec("pip") is None and shutil.which("uv") is None:
        pytest.skip("neither pip nor uv is here to install with")
    done = run("runtime", "install", "--dry-run", "--backend", "vulkan")
    assert done.returncode == 0
    assert "-DGGML_VULKAN=ON" in done.stdout
    assert "-DMTMD_BUILD=OFF" in done.stdout
    assert "set(LLAMA_BUILD_COMMON OFF)" in done.stdout
    assert done.stdout.count("install") >= 2
    assert run("runtime", "install", "--backend", "abacus").returncode == 2
