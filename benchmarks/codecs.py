"""Speed of the codecs beside the gguf package and libggml, one thread, in one run: codecs.py [ENCODING ...].

Millions of values a second of CPU time, the best of several rounds over one piece of 256K values, for decoding to and
encoding from float32. The library is the one in llama-cpp-python; its columns are empty without it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np

from hub.codecs import can_decode, can_encode, decode, encode
from hub.ir import ENCODINGS, Bytes, Encoding

Floats = np.ndarray[tuple[int, int], np.dtype[np.float32]]

ROWS, COLUMNS, ROUNDS = 64, 4096, 12
_TO_FLOAT = 40  # where ggml_type_traits has it: behind a pointer, two int64, a size_t and a bool


class Unable(Exception):
    """The library measured beside ours has no such function."""


def speed(work: Callable[..., object], *arguments: object) -> float:
    """Millions of values a second that `work` does, the best of `ROUNDS` rounds; 0 where it is `Unable`."""
    best = float("inf")
    try:
        for _ in range(ROUNDS):
            start = time.thread_time()
            work(*arguments)
            best = min(best, time.thread_time() - start)
    except Unable:
        return 0.0
    return ROWS * COLUMNS / best / 1e6


def finite(encoding: Encoding) -> Bytes:
    """Stored rows of `encoding` whose values are finite."""
    generator = np.random.default_rng(0)
    raw = generator.integers(0, 128, (ROWS, encoding.row_nbytes(COLUMNS)), dtype=np.uint8)
    raw[raw > 0x3F] = 0x3F
    return raw


def library() -> ctypes.CDLL | None:
    """The base library of ggml, if llama-cpp-python is installed."""
    spec = importlib.util.find_spec("llama_cpp")
    lib = Path(spec.origin).parent / "lib" if spec and spec.origin else Path()
    found = [path for path in lib.glob("*ggml-base.*") if path.suffix != ".lib"]
    return ctypes.CDLL(str(found[0])) if found else None


def library_encode(lib: ctypes.CDLL, kind: int, values: Floats, out: Bytes) -> None:
    """Encode `values` into `out` without an importance matrix."""
    if kind == gguf.GGMLQuantizationType.F64:  # the library would end the process
        raise Unable
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, pointer, pointer, size, size, size, pointer]
    lib.ggml_quantize_chunk(kind, values.ctypes.data, out.ctypes.data, 0, ROWS, COLUMNS, None)


def library_decode(lib: ctypes.CDLL, kind: int, raw: Bytes, out: Floats) -> None:
    """Decode `raw` into `out` by the `to_float` of `struct ggml_type_traits`."""
    lib.ggml_get_type_traits.restype = ctypes.c_void_p
    to_float = ctypes.c_void_p.from_address(lib.ggml_get_type_traits(kind) + _TO_FLOAT).value
    if to_float is None:
        raise Unable
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(to_float)(
        raw.ctypes.data, out.ctypes.data, out.size
    )


def line(name: str, what: str, ours: float, *theirs: float) -> None:
    """Print one row of the table: values a second, then the ratios to each of the others."""
    cells = [f"{speed:9.1f}" if speed else f"{'-':>9}" for speed in (ours, *theirs)]
    cells += [f"{ours / speed:8.2f}" if speed else f"{'-':>8}" for speed in theirs]
    print(f"{name:8} {what:7}", *cells, flush=True)


def main(names: list[str]) -> None:
    """Measure the encodings named, or all that gguf knows."""
    values = np.random.default_rng(1).normal(0, 0.02, (ROWS, COLUMNS)).astype(np.float32)
    decoded, lib = np.empty_like(values), library()
    print(f"{'':16} {'hub':>9} {'gguf':>9} {'libggml':>9} {'/ gguf':>8} {'/ ggml':>8}   (million values/s)")
    for encoding in [ENCODINGS[name] for name in names or ENCODINGS]:
        kind = getattr(gguf.GGMLQuantizationType, encoding.name, None)
        if kind is None or encoding.kind not in ("float", "block"):
            continue
        raw = finite(encoding)
        if can_decode(encoding):
            ours, package = speed(decode, encoding, raw, COLUMNS), speed(gguf.dequantize, raw, kind)
            line(encoding.name, "decode", ours, package, speed(library_decode, lib, kind, raw, decoded) if lib else 0)
        if can_encode(encoding):
            ours, package = speed(encode, encoding, values), speed(gguf.quantize, values, kind)
            line(encoding.name, "encode", ours, package, speed(library_encode, lib, kind, values, raw) if lib else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
