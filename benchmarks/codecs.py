"""Speed of the codecs beside the gguf package, one thread, in one run: python benchmarks/codecs.py [ENCODING ...].

Millions of values a second of CPU time, the best of several rounds over one piece of 256K values, for decoding to and
encoding from float32.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import gguf
import numpy as np

from hub.codecs import can_decode, can_encode, decode, encode
from hub.ir import ENCODINGS, Encoding

ROWS, COLUMNS, ROUNDS = 64, 4096, 12


def speed(work: Callable[..., object], *arguments: object) -> float:
    """Millions of values a second that `work` does, the best of `ROUNDS` rounds; 0 where it is not implemented."""
    best = float("inf")
    try:
        for _ in range(ROUNDS):
            start = time.thread_time()
            work(*arguments)
            best = min(best, time.thread_time() - start)
    except NotImplementedError:
        return 0.0
    return ROWS * COLUMNS / best / 1e6


def finite(encoding: Encoding) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Stored rows of `encoding` whose values are finite."""
    generator = np.random.default_rng(0)
    raw = generator.integers(0, 128, (ROWS, encoding.row_nbytes(COLUMNS)), dtype=np.uint8)
    raw[raw > 0x3F] = 0x3F
    return raw


def line(name: str, what: str, ours: float, theirs: float) -> None:
    """Print one row of the table."""
    ratio = f"{ours / theirs:8.1f}" if theirs else "       -"
    print(f"{name:8} {what:7} {ours:9.0f} {theirs or float('nan'):9.0f} {ratio}", flush=True)


def main(names: list[str]) -> None:
    """Measure the encodings named, or all that gguf knows."""
    values = np.random.default_rng(1).normal(0, 0.02, (ROWS, COLUMNS)).astype(np.float32)
    print(f"{'':16} {'hub':>9} {'gguf':>9} {'ratio':>8}   (million values/s)")
    for encoding in [ENCODINGS[name] for name in names or ENCODINGS]:
        kind = getattr(gguf.GGMLQuantizationType, encoding.name, None)
        if kind is None or encoding.kind not in ("float", "block"):
            continue
        raw = finite(encoding)
        if can_decode(encoding):
            line(encoding.name, "decode", speed(decode, encoding, raw, COLUMNS), speed(gguf.dequantize, raw, kind))
        if can_encode(encoding):
            line(encoding.name, "encode", speed(encode, encoding, values), speed(gguf.quantize, values, kind))


if __name__ == "__main__":
    main(sys.argv[1:])
