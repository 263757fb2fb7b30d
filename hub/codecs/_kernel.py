"""What every block kernel shares: its signature, and scales out of packed bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hub.ir import Bytes

Floats: TypeAlias = NDArray[np.float32]

# Blocks, uint8 [n, bytes per block], into values, float32 [n, values per block]; and the way back.
Decoder: TypeAlias = Callable[[Bytes, Floats], None]
Encoder: TypeAlias = Callable[[Floats, Bytes], None]


def half(blocks: Bytes, at: int) -> Floats:
    """The float16 at byte `at` of every block, as float32 [n, 1]."""
    return blocks[:, at : at + 2].view(np.float16).astype(np.float32)


def put_half(out: Bytes, at: int, values: Floats) -> None:
    """Store `values` [n, 1], rounded to float16, at byte `at` of every block."""
    out[:, at : at + 2] = values.astype(np.float16).view(np.uint8)


def reciprocal(d: Floats) -> Floats:
    """1 / d, and 0 where d is 0: a block of zeros stays one."""
    return np.where(d == 0, np.float32(0), np.float32(1) / d)


def round_away(x: Floats) -> Floats:
    """`x` rounded to the nearest integer, halves away from zero: C's roundf."""
    size = np.abs(x)
    whole = np.floor(size)
    size -= whole
    size *= 2
    whole += np.floor(size, out=size)
    return np.copysign(whole, x, out=whole)


def nibbles(blocks: Bytes, at: int, stop: int) -> tuple[Bytes, Bytes]:
    """Low and high nibbles of bytes `at` to `stop` of every block."""
    high = np.ascontiguousarray(blocks[:, at:stop])
    low: Bytes = np.bitwise_and(high, 15, dtype=np.uint8)
    high >>= 4
    return low, high
