"""Models and adapters that stop the start: damaged ones, and those that a verifier does not let in."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("able")


def refused(*args: object) -> str:
    """The last line that a server says which does not start."""
    command = [sys.executable, "-m", "hub", "serve", *map(str, args), "--port", "0", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert '"ready"' not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("suffix", [".gguf", ".apr"])
def test_a_damaged_model_stops_the_start(tiny: Path, tiny_apr: Path, suffix: str, tmp_path: Path) -> None:
    damaged = tmp_path / f"damaged{suffix}"
    damaged.write_bytes((tiny if suffix == ".gguf" else tiny_apr).read_bytes()[:-100])
    assert str(damaged) in refused(tiny, damaged)


def test_a_damaged_adapter_stops_the_start(tiny: Path, adapter: Path) -> None:
    adapter.write_bytes(adapter.read_bytes()[:-64])
    assert str(adapter) in refused(tiny, "--lora", adapter)


def test_a_verifier_is_asked_about_every_model_and_adapter(
    heard: Callable[[], list[str]], start: Callable[..., object], tiny: Path, tiny_apr: Path, adapter: Path
) -> None:
    start(tiny, f"other={tiny_apr}", "--threads", 1)
    assert sorted(heard()) == sorted([f"run {tiny.name}", f"run {tiny_apr.name}"])
    start(tiny, "--threads", 1, "--lora", adapter)
    assert heard() == [f"run {tiny.name}", f"run {adapter.name}"]


@pytest.mark.parametrize("which", ["tiny", "adapter"])
def test_what_a_verifier_refuses_stops_the_start(
    heard: Callable[[], list[str]], tiny: Path, adapter: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = {"tiny": tiny, "adapter": adapter}[which]
    monkeypatch.setenv("REFUSED", path.name)
    line = refused(tiny, "--lora", adapter)
    assert "nobody signed it" in line
    assert str(path) in line
    assert heard()[-1] == f"run {path.name}"
