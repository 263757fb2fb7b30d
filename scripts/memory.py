"""Measures the peak memory and the time of converting models of several sizes in every direction.

    python scripts/memory.py --gigabytes 0.5 --gigabytes 8 --folder /some/where/with/space

Prints one line a conversion: direction, and for each size seconds and peak resident memory of the process; of several
sizes the ratio of the largest peak to the smallest. Exits 1 when a peak passes `--limit` megabytes. The space it takes
is five times the largest model's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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
            script = str(Path(__file__).with_name("synthetic.py"))
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


def main() -> int:
    """Make the models, convert them, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, action="append", help="size of a model as F16 (repeatable); 2")
    parser.add_argument("--limit", type=float, default=300.0, help="largest peak in megabytes")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args()
    sizes: list[float] = args.gigabytes or [2.0]
    measured = {size: measure(size, args.folder) for size in sizes}
    results: list[dict[str, Any]] = []
    for conversion in measured[sizes[0]]:
        peaks = [measured[size][conversion][1] for size in sizes]
        seconds = [measured[size][conversion][0] for size in sizes]
        growth = max(peaks) / min(peaks)
        results.append({"conversion": conversion, "gigabytes": sizes, "seconds": seconds, "peak_mb": peaks,
                        "growth": growth})  # fmt: skip
        if not args.json:
            figures = "  ".join(f"{s:7.2f} s {p:5.0f} MB" for s, p in zip(seconds, peaks, strict=True))
            print(f"{conversion:45} {figures}" + (f"  x {growth:.2f}" if len(sizes) > 1 else ""), flush=True)
    if args.json:
        print(json.dumps(results, indent=1))
    return int(any(peak > args.limit for r in results for peak in r["peak_mb"]))


if __name__ == "__main__":
    sys.exit(main())
