"""Measures the peak memory and the time of converting a large model in every direction.

    python scripts/memory.py --gigabytes 2 --folder /some/where/with/space

Prints one line a conversion: direction, seconds, peak resident memory of the process. Exits 1 when a peak passes
`--limit` megabytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Source, target, further arguments. Sources that are no fixture are results of the lines before.
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


def main() -> int:
    """Make the models, convert them, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the model as F16")
    parser.add_argument("--limit", type=float, default=300.0, help="largest peak in megabytes")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        for encoding in ("F16", "Q4_1"):
            script = str(Path(__file__).with_name("synthetic.py"))
            command = [script, f"{encoding.lower()}.gguf", "--encoding", encoding, "--gigabytes", str(args.gigabytes)]
            subprocess.run([sys.executable, *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own program
        for source, target, more in DIRECTIONS:
            seconds, megabytes = peak([sys.executable, "-m", "hub", "convert", source, target, *more], folder)
            results.append({"conversion": " ".join((source, target, *more)), "seconds": seconds, "peak_mb": megabytes})
            if not args.json:
                print(f"{results[-1]['conversion']:45} {seconds:7.2f} s {megabytes:7.0f} MB", flush=True)
    if args.json:
        print(json.dumps(results, indent=1))
    return int(any(r["peak_mb"] > args.limit for r in results))


if __name__ == "__main__":
    sys.exit(main())
