"""Memory is bounded by what is in flight, not by the model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMIT = 200 << 20  # the model takes 600 MB as F16; 300 MB is promised for any size


def peak(*command: object) -> int:
    """Peak resident bytes of a child process that must succeed."""
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    for encoding in ("F16", "Q4_1"):
        name = folder / f"{encoding}.gguf"
        command = [ROOT / "scripts" / "synthetic.py", name, "--encoding", encoding, "--gigabytes", "0.6"]
        subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.mark.parametrize(
    ("source", "target", "more"),
    [
        ("F16.gguf", "f16.apr", []),
        ("F16.gguf", "f16", []),
        ("F16.gguf", "packed.apr", ["--compression", "zstd"]),
        ("Q4_1.gguf", "half.safetensors", ["--encode", "f16"]),
    ],
)
def test_a_conversion_holds_a_fraction_of_the_model(models: Path, source: str, target: str, more: list[str]) -> None:
    assert peak("-m", "hub", "convert", models / source, models / target, *more) < LIMIT


def test_looking_and_checking_do_not_load_the_model(models: Path) -> None:
    for command in ("inspect", "check", "validate"):
        assert peak("-m", "hub", command, models / "F16.gguf") < LIMIT


def test_less_memory_can_be_asked_for(models: Path) -> None:
    command = ("-m", "hub", "convert", models / "Q4_1.gguf", models / "small.safetensors", "--encode", "f16")
    small = peak(*command, "--memory", "1MiB", "--jobs", "1")
    large = peak(*command, "--memory", "1GiB", "--jobs", "8", "--force")
    assert small < large
