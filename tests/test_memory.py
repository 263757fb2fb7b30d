"""Memory is bounded by what is in flight, not by the model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMIT = 200 << 20  # the model takes 600 MB as F16; 300 MB is promised for any size


# A child's own high-water mark: getrusage would count what its parent held when it forked.
RUN = """
import sys
from hub.cli import main
code = main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


def peak(*args: object) -> int:
    """Peak resident bytes of the program, which must succeed."""
    command = [sys.executable, "-c", RUN, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-1]) * 1024


pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc to measure")


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
    assert peak("convert", models / source, models / target, *more) < LIMIT


def test_looking_and_checking_do_not_load_the_model(models: Path) -> None:
    for command in ("inspect", "check", "validate"):
        assert peak(command, models / "F16.gguf") < LIMIT


def test_less_memory_can_be_asked_for(models: Path) -> None:
    command = ("convert", models / "Q4_1.gguf", models / "small.safetensors", "--encode", "f16", "--codec", "numpy")
    small = peak(*command, "--memory", "1MiB", "--jobs", "1")
    large = peak(*command, "--memory", "1GiB", "--jobs", "8", "--force")
    assert small < large
