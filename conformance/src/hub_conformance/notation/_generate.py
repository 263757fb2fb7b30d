"""Numbers from a seed, the same on every machine and in every language.

Word i of seed s is the i-th output (from 0) of SplitMix64 started at s (Steele, Lea, Flood: "Fast splittable
pseudorandom number generators", 2014), which is a function of s and i alone:

    z = s + (i + 1) * 0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB
    z ^ (z >> 31)                                     all modulo 2**64

"bits": the bytes of a tensor, in the order in which its rows are stored, are the words' bytes, little-endian.
"uniform": value i of a tensor is (word i >> (64 - k)) / 2**(k - 1) - 1, with k = 53 for F64, 24 for F32, 11 for F16 and
8 for BF16; these lie in [-1, 1) and every one of them is a value of the encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hub import codecs
from hub.ir import Bytes, Encoding, Rows, Tensor

Way: TypeAlias = Literal["bits", "uniform"]

# Bits of a uniform value: as many as the significand has.
SIGNIFICANT = {"F64": 53, "F32": 24, "F16": 11, "BF16": 8}

_GOLDEN, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def words(seed: int, start: int, stop: int) -> NDArray[np.uint64]:
    """Words `start` to `stop` of `seed`."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(start + 1, stop + 1, dtype=np.uint64) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _FIRST
        z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


class Generated(Rows):
    """Rows made when they are read: no more of a large tensor is ever in memory than somebody asks for."""

    def __init__(self, encoding: Encoding, shape: tuple[int, ...], seed: int, way: Way) -> None:
        self.encoding, self.seed, self.way = encoding, seed, way
        self.n, self.columns = encoding.grid(shape)
        self.width = encoding.row_nbytes(self.columns)

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        fill = self._uniform if self.way == "uniform" else self._bits
        np.copyto(out, fill(start, stop).reshape(out.shape))

    def _bits(self, start: int, stop: int) -> Bytes:
        low, high = start * self.width, stop * self.width
        first = low // 8
        raw = words(self.seed, first, -(-high // 8)).astype("<u8").view(np.uint8)
        return raw[low - first * 8 : high - first * 8]

    def _uniform(self, start: int, stop: int) -> Bytes:
        k = SIGNIFICANT[self.encoding.name]
        top = words(self.seed, start * self.columns, stop * self.columns) >> np.uint64(64 - k)
        values = np.ldexp(top.astype(np.float64), 1 - k) - 1.0
        kept = values if k == SIGNIFICANT["F64"] else values.astype(np.float32)
        return codecs.encode(self.encoding, kept.reshape(stop - start, self.columns))


def generated(name: str, shape: Sequence[int], encoding: Encoding, seed: int, way: Way = "bits") -> Tensor:
    """A tensor of numbers from `seed`; `ValueError` for uniform values of an encoding that has none."""
    if way not in {"bits", "uniform"} or (way == "uniform" and encoding.name not in SIGNIFICANT):
        raise ValueError(f"{name}: {encoding} has no values {way!r}")
    return Tensor(name, tuple(shape), encoding, Generated(encoding, tuple(shape), seed, way))
