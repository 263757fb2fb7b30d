"""Peak memory and time of converting models of several sizes in every direction.

    python -m benchmarks.memory --gigabytes 0.5 --gigabytes 8 --folder /some/where/with/space --write README.md

Prints one line a conversion: direction, and for each size seconds and peak resident memory of the process; of several
sizes the ratio of the largest peak to the smallest. Exits 1 when a peak passes `--limit` megabytes. The space it takes
is five times the largest model's. `--write` puts the same as a table into a page, between its marks `memory`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pages import fill, rows

# Source, target, further arguments. Sources that are no fixture are results of the lines before; others are removed.
DIRECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("f16.gguf", "folder", ()),
    ("f16.gguf", "f16.apr", ()),
    ("folder", "folder.gguf", ()),
    ("folder", "folder.apr", ()),
    ("f16.apr", "apr.gguf", ()),
    ("f16.apr", "apr-folder", ()),
    ("q4_1.gguf", "half.safetensors", ("--encode", "f16")),
    ("q4_1.gguf", "q4_1.apr", ()),
    ("folder", "q8_0.gguf", ("--encode", "q8_0")),
)


def peak(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and peak resident megabytes of a child process; `CalledProcessError` when it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)  # noqa: S603  # our own program
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return seconds, usage.ru_maxrss * 1024 / 1e6


def measure(gigabytes: float, folder: Path) -> dict[str, tuple[float, float]]:
    """Seconds and peak megabytes of every direction, for models that are `gigabytes` large as F16."""
    found = {}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        inside = Path(name)
        for encoding in ("F16", "Q4_1"):
            script = str(Path(__file__).parents[1] / "scripts" / "synthetic.py")
            command = [script, f"{encoding.lower()}.gguf", "--encoding", encoding, "--gigabytes", str(gigabytes)]
            subprocess.run([sys.executable, *command], cwd=inside, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own program
        sources = {source for source, _, _ in DIRECTIONS}
        for source, target, more in DIRECTIONS:
            command = [sys.executable, "-m", "hub", "convert", source, target, *more]
            found[" ".join((source, target, *more))] = peak(command, inside)
            if target not in sources:
                _remove(inside / target)
    return found


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def table(sizes: list[float], measured: dict[float, dict[str, tuple[float, float]]]) -> str:
    """The figures as Markdown, a conversion a line."""
    head = ["conversion", *(f"{size:g} GB" for size in sizes), *(["largest peak / smallest"] if len(sizes) > 1 else [])]
    lines = []
    for conversion in measured[sizes[0]]:
        found = [measured[size][conversion] for size in sizes]
        growth = [f"{_growth(found):.2f}"] if len(sizes) > 1 else []
        lines.append([f"`{conversion}`", *(f"{seconds:.1f} s, {peak:.0f} MB" for seconds, peak in found), *growth])
    return rows(head, lines)


def _growth(found: Sequence[tuple[float, float]]) -> float:
    peaks = [peak for _, peak in found]
    return max(peaks) / min(peaks)


def main() -> int:
    """Make the models, convert them, print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gigabytes", type=float, action="append", help="size of a model as F16 (repeatable); 2")
    parser.add_argument("--limit", type=float, default=256.0, help="largest peak in megabytes")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    args = parser.parse_args()
    sizes: list[float] = args.gigabytes or [2.0]
    measured = {size: measure(size, args.folder) for size in sizes}
    text = table(sizes, measured)
    print(text)
    if args.write:
        fill(args.write, "memory", text)
    return int(any(peak > args.limit for found in measured.values() for _, peak in found.values()))


if __name__ == "__main__":
    sys.exit(main())
