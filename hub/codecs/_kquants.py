"""K-quants: super-blocks of 256 values whose sub-blocks have small scales of their own: Q2_K to Q6_K, and Q8_K.

Layouts are those of `block_q*_K` in ggml-common.h, arithmetic that of `dequantize_row_q*_K` in ggml-quants.c: the scale
of a sub-block is the super-block's float16 times a small integer, value = scale * q (- minimum).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hub.codecs._kernel import Decoder, Floats, cut, fields, half, lay, scaled, spread, words
from hub.ir import Bytes


def _packed(blocks: Bytes, at: int, stop: int, run: int, bits: int) -> Bytes:
    """Fields of `bits` bits at bytes `at` to `stop`, [n, values]: of every `run` bytes first the lowest fields."""
    return lay(fields(cut(blocks, at, stop).reshape(-1, run), bits)).reshape(len(blocks), -1)


def _joined(low: Bytes, high: Bytes, shift: int) -> Bytes:
    """Low | high << shift; both are overwritten."""
    whole, above = words(low), words(high)
    above <<= np.uint64(shift)
    whole |= above
    return low


def _q2_k(blocks: Bytes, out: Floats) -> None:
    small = cut(blocks, 0, 16)
    scaled(_packed(blocks, 16, 80, 32, 2), half(blocks, 80) * (small & 15), out)
    out -= spread(half(blocks, 82) * (small >> 4), out)


def _q3_k(blocks: Bytes, out: Floats) -> None:
    small = _joined(_packed(blocks, 96, 104, 8, 4), _packed_fours(blocks), 4)
    small -= 32
    q = _joined(_packed(blocks, 32, 96, 32, 2), _packed(blocks, 0, 32, 32, 1), 2)
    q -= 4
    scaled(q.view(np.int8), half(blocks, 108) * small.view(np.int8), out)


def _packed_fours(blocks: Bytes) -> Bytes:
    """The upper two bits of the sixteen 6-bit scales of Q3_K, in bytes 104 to 108."""
    high = cut(blocks, 104, 108).view(np.uint32) >> np.array([0, 2, 4, 6], np.uint32) & np.uint32(0x03030303)
    return high.view(np.uint8)


def _sixes(blocks: Bytes) -> tuple[Bytes, Bytes]:
    """The eight 6-bit scales and eight 6-bit minima at bytes 4 to 16 of Q4_K and Q5_K, each [n, 8]."""
    first, second, third = cut(blocks, 4, 16).view(np.uint32).T
    six, four, two = (np.uint32(mask) for mask in (0x3F3F3F3F, 0x0F0F0F0F, 0x30303030))
    scales = first & six, third & four | first >> 2 & two
    minima = second & six, third >> 4 & four | second >> 2 & two
    return _side_by_side(*scales), _side_by_side(*minima)


def _side_by_side(left: NDArray[np.uint32], right: NDArray[np.uint32]) -> Bytes:
    return np.stack([left, right], axis=1).view(np.uint8)


def _scaled_minus(blocks: Bytes, q: Bytes, out: Floats) -> None:
    scales, minima = _sixes(blocks)
    scaled(q, half(blocks, 0) * scales, out)
    out -= spread(half(blocks, 2) * minima, out)


def _q4_k(blocks: Bytes, out: Floats) -> None:
    _scaled_minus(blocks, _packed(blocks, 16, 144, 32, 4), out)


def _q5_k(blocks: Bytes, out: Floats) -> None:
    _scaled_minus(blocks, _joined(_packed(blocks, 48, 176, 32, 4), _packed(blocks, 16, 48, 32, 1), 4), out)


def _q6_k(blocks: Bytes, out: Floats) -> None:
    q = _joined(_packed(blocks, 0, 128, 64, 4), _packed(blocks, 128, 192, 32, 2), 4)
    q -= 32
    scaled(q.view(np.int8), half(blocks, 208) * cut(blocks, 192, 208).view(np.int8), out)


def _q8_k(blocks: Bytes, out: Floats) -> None:
    scaled(cut(blocks, 4, 260).view(np.int8), blocks[:, :4].view(np.float32), out)


DECODERS: dict[str, Decoder] = {
    "Q2_K": _q2_k, "Q3_K": _q3_k, "Q4_K": _q4_k, "Q5_K": _q5_k, "Q6_K": _q6_k, "Q8_K": _q8_k,
}  # fmt: skip
