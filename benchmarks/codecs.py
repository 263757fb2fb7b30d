"""Speed of every codec in every encoding, both ways, one thread, in one run.

    python -m benchmarks.codecs [--write] [ENCODING ...]

GB/s of float32 (values a second times four bytes) of CPU time, the best of several rounds over one piece of 256K
values: NumPy's kernels, the compiled ones, libggml's and the gguf package's. What they give is compared first: bits
that differ end the run. --write puts the table into docs/speed.md and the figures into benchmarks/results/codecs.json.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from benchmarks.pages import fill
from hub import codecs
from hub.interface import Codec
from hub.ir import ENCODINGS, Bytes, Encoding
from hub.recipes import WEIGHED

ROOT = Path(__file__).parents[1]
ROWS, COLUMNS = 64, 4096
ENOUGH, FEWEST = 0.15, 3  # seconds and rounds of one measurement
NAMES = ("numpy", "compiled", "ggml", "gguf")
_ALL = ("F16", "BF16", *(name for name, e in ENCODINGS.items() if e.kind == "block" and not e.flat))
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Line:
    """GB/s of float32 by codec; None where it cannot."""

    encoding: str
    way: str
    speeds: dict[str, float | None]


def speed(work: Callable[[], object]) -> float:
    """GB/s of float32 that `work` does, the best of its rounds."""
    best, spent, rounds = float("inf"), 0.0, 0
    while spent < ENOUGH or rounds < FEWEST:
        start = time.thread_time()
        work()
        taken = time.thread_time() - start
        best, spent, rounds = min(best, taken), spent + taken, rounds + 1
    return round(ROWS * COLUMNS * 4 / best / 1e9, 3)


def ways(encoding: Encoding, there: dict[str, Codec]) -> list[Line]:
    """The lines of one encoding; `AssertionError` naming the codec whose bits are other ones."""
    generator = np.random.default_rng(1)
    values = generator.normal(0, 0.02, (ROWS, COLUMNS)).astype(np.float32)
    weights = generator.uniform(0.1, 2, COLUMNS).astype(np.float32)
    raw = _stored(encoding, there, values, weights)
    lines = [_line(encoding, "decode", {n: _decode(c, encoding, raw) for n, c in _with_gguf(there)})]
    encode = {n: _encode(c, encoding, values) for n, c in _with_gguf(there)}
    if any(encode.values()):
        lines.append(_line(encoding, "encode", encode))
    weighed = {n: _weighed(c, encoding, values, weights) for n, c in there.items()}
    if any(weighed.values()):
        lines.append(_line(encoding, "encode under an importance", weighed))
    return lines


def _with_gguf(there: dict[str, Codec]) -> list[tuple[str, Codec | None]]:
    return [*there.items(), ("gguf", None)]


def _stored(encoding: Encoding, there: dict[str, Codec], values: Floats, weights: Floats) -> Bytes:
    for codec in there.values():
        if encoding.name in codec.encodes:
            return codec.encode(encoding, values)
        if encoding.name in codec.weighs:
            return codec.encode(encoding, values, weights)
    return np.random.default_rng(0).integers(0, 64, (ROWS, encoding.row_nbytes(COLUMNS)), dtype=np.uint8)


def _decode(codec: Codec | None, encoding: Encoding, raw: Bytes) -> Callable[[], Any] | None:
    if codec is not None:
        return (lambda: codec.decode(encoding, raw, COLUMNS)) if encoding.name in codec.decodes else None
    return _if_able(lambda: gguf.dequantize(raw, gguf.GGMLQuantizationType[encoding.name]))


def _encode(codec: Codec | None, encoding: Encoding, values: Floats) -> Callable[[], Any] | None:
    if codec is not None:
        return (lambda: codec.encode(encoding, values)) if encoding.name in codec.encodes else None
    return _if_able(lambda: gguf.quantize(values, gguf.GGMLQuantizationType[encoding.name]))


def _weighed(codec: Codec, encoding: Encoding, values: Floats, weights: Floats) -> Callable[[], Any] | None:
    able = encoding.name in codec.weighs and encoding.name in WEIGHED
    return (lambda: codec.encode(encoding, values, weights)) if able else None


def _if_able(work: Callable[[], Any]) -> Callable[[], Any] | None:
    try:
        work()
    except (KeyError, NotImplementedError):
        return None
    return work


def _line(encoding: Encoding, way: str, works: dict[str, Callable[[], Any] | None]) -> Line:
    results = {name: np.asarray(work()).tobytes() for name, work in works.items() if work}
    first = next(iter(results))
    for name, result in results.items():
        if result != results[first]:
            raise AssertionError(f"{encoding} {way}: the bits of {name} are not those of {first}")
    return Line(encoding.name, way, {name: speed(work) if work else None for name, work in works.items()})


def table(lines: list[Line]) -> str:
    """The lines as Markdown."""
    rows = ["| encoding | | NumPy | compiled | libggml | gguf |", "|---|---|---|---|---|---|"]
    for line in lines:
        cells = ["-" if line.speeds.get(name) is None else f"{line.speeds[name]:.2f}" for name in NAMES]
        rows.append(f"| {line.encoding} | {line.way} | {' | '.join(cells)} |")
    return "\n".join(rows)


def write(lines: list[Line]) -> None:
    """Put the table into docs/speed.md and the figures into benchmarks/results/codecs.json."""
    machine = {"machine": platform.machine(), "system": platform.system(), "python": platform.python_version(),
               "numpy": np.__version__, "gguf": getattr(gguf, "__version__", "")}  # fmt: skip
    out = ROOT / "benchmarks" / "results" / "codecs.json"
    document = {"schema": "hub.benchmark.codecs/1", "unit": "GB/s of float32", "machine": machine,
                "lines": [asdict(line) for line in lines]}  # fmt: skip
    out.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    fill(ROOT / "docs" / "speed.md", "codecs", table(lines))


def main(arguments: list[str]) -> None:
    """Measure the encodings named, or all that ggml knows."""
    there = {c.name: c for c in sorted(codecs.available(), key=lambda c: c.name != "numpy") if c.name in NAMES}
    names = [a for a in arguments if a != "--write"]
    lines = []
    for encoding in [ENCODINGS[name] for name in names or ENCODINGS]:
        if not names and (
            encoding.kind not in {"float", "block"} or encoding.flat or encoding.name[:2] in {"F8", "F3", "F6"}
        ):
            continue
        for line in ways(encoding, there):
            lines.append(line)
            print(f"{line.encoding:8} {line.way:27}", *(f"{n} {line.speeds.get(n)}" for n in NAMES), flush=True)
    if "--write" in arguments:
        write(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
