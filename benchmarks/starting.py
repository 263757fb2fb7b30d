"""How long a model takes to start, by the way it is deployed.

    python -m benchmarks.starting MODEL.gguf [--write]

Wall seconds of a process from its start to its end, one token answered in between, the median of `ROUNDS` rounds in
turn. Each way is measured with the file in the system's cache, and with it read from the disk. `--write` puts the table
into docs/deploying.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.pages import fill
from hub_deploy.bundle import Order, bundle

ROUNDS = 5
PAGE = Path(__file__).parents[1] / "docs" / "deploying.md"

# `hub run`; argv[1] is llama.cpp's load mode: 0 reads the file into memory, 1 maps it.
_CHILD = """
import sys
from hub.cli import main
from hub_runtime.engine._library import library
mode = int(sys.argv.pop(1))
usual = library().llama_model_default_params
def told():
    params = usual()
    params.load_mode = mode
    return params
library().llama_model_default_params = told
sys.exit(main())
"""
_ASKED = ("-p", "x", "-n", "1", "-q", "--no-gpu")


@dataclass
class Way:
    """A way of deploying: its command, the file the model is in, what is done before, and what was measured."""

    name: str
    command: list[str]
    file: Path
    environment: dict[str, str]
    before: Callable[[], None] = lambda: None
    cached: list[float] = field(default_factory=list)
    disk: list[float] = field(default_factory=list)


def seconds(way: Way) -> float:
    """One start."""
    way.before()
    started = time.perf_counter()
    subprocess.run(way.command, env=way.environment, capture_output=True, check=True)  # noqa: S603  # our own program
    return time.perf_counter() - started


def forget(file: Path) -> None:
    """Let the system drop the file's pages, so that it is read from the disk."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ways(model: Path, folder: Path) -> list[Way]:
    """What is compared."""
    app, script = folder / "app", folder / "start.py"
    bundle(Order(model, app))
    script.write_text(_CHILD, encoding="utf-8")
    known = {"PATH": os.environ["PATH"], "HOME": str(folder), "HUB_CACHE": str(folder / "cache")}
    fresh = known | {"HUB_CACHE": str(folder / "fresh")}

    def empty() -> None:
        shutil.rmtree(fresh["HUB_CACHE"], ignore_errors=True)

    def child(mode: int) -> list[str]:
        return [sys.executable, str(script), str(mode), "run", str(model), *_ASKED]

    run = [str(app), "run", *_ASKED]
    return [
        Way("external, read into memory", child(0), model, known),
        Way("external, mapped", child(1), model, known),
        Way("external, mapped, the first time", child(1), model, fresh, empty),
        Way("embedded (a bundle)", run, app, known),
        Way("embedded, the first time", run, app, fresh, empty),
    ]


def measured(model: Path) -> list[Way]:
    """Every way, `ROUNDS` times, every other round backwards."""
    with tempfile.TemporaryDirectory(prefix="hub-starting-") as folder:
        own = Path(folder) / model.name
        own.write_bytes(model.read_bytes())
        found = ways(own, Path(folder))
        for way in found:  # what is kept for the next start is kept now
            seconds(way)
        for number in range(ROUNDS):
            for way in found if number % 2 == 0 else reversed(found):
                way.cached.append(seconds(way))
                forget(way.file)
                way.disk.append(seconds(way))
    return found


def table(model: Path, found: list[Way]) -> str:
    """The measurements as Markdown."""
    cpu = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    lines = [
        f"{model.name}, {model.stat().st_size / 1e6:.0f} MB; {os.cpu_count()} cores ({cpu}), Python "
        f"{platform.python_version()}; medians of {ROUNDS} rounds (least to most).",
        "",
        "| | file in the system's cache | file on the disk |",
        "|---|---|---|",
    ]
    lines += [f"| {w.name} | {_shown(w.cached)} | {_shown(w.disk)} |" for w in found]
    return "\n".join(lines) + "\n"


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _shown(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f}-{max(values):.2f})"


def main() -> int:
    """Measure, print the table, write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    given = parser.parse_args()
    text = table(given.model, measured(given.model.absolute()))
    print(text, end="")
    if given.write:
        fill(PAGE, "starting", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
