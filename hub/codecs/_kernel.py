"""The moves that block kernels are made of.

NumPy pays for every inner loop it enters, so a loop over the 16 or 32 values of a block costs more than the arithmetic
in it. These helpers keep the loops long: stretches of a block move as one item of that many bytes, bit fields are split
eight bytes at a time, and a scale is repeated before it is multiplied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hub.ir import Bytes

Floats: TypeAlias = NDArray[np.float32]
Words: TypeAlias = NDArray[np.uint64]

# Blocks, uint8 [n, bytes per block], into values, float32 [n, values per block]; and the way back.
# Both arrays are contiguous; the first is not written to.
Decoder: TypeAlias = Callable[[Bytes, Floats], None]
Encoder: TypeAlias = Callable[[Floats, Bytes], None]

_ONES = 0x0101010101010101

# The largest float32 below 1/2: trunc(x + this) rounds x >= 0, halves up, without the error of x + 1/2 just below 1/2.
_BELOW_HALF = np.float32(0.49999997)


@cache
def _stretch(at: int, stop: int, nbytes: int) -> np.dtype[Any]:
    """A block of `nbytes` bytes of which only bytes `at` to `stop` are seen, as one item."""
    return np.dtype({"names": ["seen"], "formats": [f"V{stop - at}"], "offsets": [at], "itemsize": nbytes})


def cut(blocks: Bytes, at: int, stop: int) -> Bytes:
    """Bytes `at` to `stop` of every block, as a contiguous copy."""
    copy: Bytes = blocks.view(_stretch(at, stop, blocks.shape[1]))["seen"].copy().view(np.uint8)
    return copy


def put(out: Bytes, at: int, part: Bytes) -> None:
    """Store contiguous `part` [n, k] at byte `at` of every block of `out`."""
    width = part.shape[1]
    out.view(_stretch(at, at + width, out.shape[1]))["seen"] = part.view(f"V{width}")


def lay(parts: Sequence[Bytes]) -> Bytes:
    """Contiguous parts [n, k] side by side: [n, parts * k]."""
    n, width = parts[0].shape
    out = np.empty((n, len(parts)), f"V{width}")
    for i, part in enumerate(parts):
        out[:, i] = part.view(f"V{width}")[:, 0]
    return out.view(np.uint8)


def words(packed: Bytes) -> Words:
    """The same memory, eight bytes at a time."""
    return packed.reshape(-1).view(np.uint64)


def fields(packed: Bytes, bits: int) -> list[Bytes]:
    """The bit fields of contiguous bytes, the lowest field of every byte first; each has the shape of `packed`."""
    whole, mask = words(packed), np.uint64(_ONES * ((1 << bits) - 1))
    shifts = np.arange(0, 8, bits, dtype=np.uint64)
    return [((whole >> shift) & mask).view(np.uint8).reshape(packed.shape) for shift in shifts]


def bits_of(packed: Bytes) -> Bytes:
    """Every bit of contiguous bytes [n, k] as a byte, the lowest first: [n, 8k]."""
    return np.unpackbits(packed.reshape(-1), bitorder="little").reshape(len(packed), -1)


@cache
def _pairs(levels: tuple[int, ...]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """For two packed bytes, the levels of their low nibbles and of their high nibbles, as two int8 each."""
    table = np.array(levels, np.int8).view(np.uint8)
    both = np.arange(1 << 16, dtype="<u2").view(np.uint8)
    return table[both & 15].view(np.uint16), table[both >> 4].view(np.uint16)


def nibble_levels(packed: Bytes, levels: tuple[int, ...]) -> list[Bytes]:
    """The int8 levels that low and high nibbles of contiguous bytes stand for, each with the shape of `packed`."""
    index = packed.reshape(-1).view(np.uint16).astype(np.intp)
    return [np.take(table, index).view(np.uint8).reshape(packed.shape) for table in _pairs(levels)]


def half(blocks: Bytes, at: int) -> Floats:
    """The float16 at byte `at` of every block, as float32 [n, 1]."""
    return blocks[:, at : at + 2].view(np.float16).astype(np.float32)


def put_half(out: Bytes, at: int, values: Floats) -> None:
    """Store `values` [n, 1], rounded to float16, at byte `at` of every block."""
    put(out, at, values.astype(np.float16).view(np.uint8))


def spread(scales: Floats, out: Floats) -> Floats:
    """Scales [n, k], each repeated over its equal share of a block: the shape of `out`."""
    return np.repeat(scales.reshape(-1), out.size // scales.size).reshape(out.shape)


def scaled(q: NDArray[np.integer[Any]], scales: Floats, out: Floats) -> None:
    """Put q * scales into `out`; each of the scales [n, k] belongs to an equal share of a block."""
    np.copyto(out, q.reshape(out.shape))
    out *= spread(scales, out)


def folded(x: Floats, *ops: np.ufunc) -> list[Floats]:
    """Each of `ops` (np.maximum, np.minimum) over every row of contiguous `x`, [n, 1]; NaN wins."""
    fours = x.view(np.complex128).T.copy().view(np.float32)  # four values move as one item
    columns = [op.reduce(fours, axis=0).reshape(-1, 4).T.copy() for op in ops]
    return [op.reduce(column, axis=0)[:, None] for op, column in zip(ops, columns, strict=True)]


def capped(q: Bytes, top: int) -> Bytes:
    """`q` with everything above `top` lowered to it, in place; NumPy is slow where one side is a single number."""
    return np.minimum(q, np.full_like(q, top), out=q)


def reciprocal(d: Floats) -> Floats:
    """1 / d, and 0 where d is 0: a block of zeros stays one."""
    return np.where(d == 0, np.float32(0), np.float32(1) / d)


def rounded(size: Floats, x: Floats) -> NDArray[np.int8]:
    """`size` >= 0 rounded to the nearest integer, halves up, with the signs of `x`; `size` is overwritten."""
    size += _BELOW_HALF
    q = size.astype(np.int8)
    minus = np.negative((x < 0).view(np.int8))
    q ^= minus
    q -= minus
    return q
