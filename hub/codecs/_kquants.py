"""K-quants: super-blocks of 256 values whose sub-blocks have small scales of their own: Q2_K to Q6_K, and Q8_K.

Layouts are those of `block_q*_K` in ggml-common.h, arithmetic that of `dequantize_row_q*_K` in ggml-quants.c: the scale
of a sub-block is the super-block's float16 times a small integer, value = scale * q (- minimum).
"""

from __future__ import annotations

import numpy as np

from hub.codecs._kernel import Decoder, Floats, half
from hub.ir import Bytes


def _fields(packed: Bytes, bits: int) -> Bytes:
    """All fields of `bits` bits, the lowest first: [n, groups, 8 / bits, bytes] out of [n, groups, bytes]."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    fields = packed[:, :, None, :] >> shifts
    fields &= (1 << bits) - 1
    return fields


def _scaled(q: Bytes, scales: Floats, out: Floats) -> None:
    """Put q * scales into `out`: each scale belongs to one of equal stretches of a block."""
    n, count = scales.shape
    np.multiply(q.reshape(n, count, -1), scales[:, :, None], out=out.reshape(n, count, -1))


def _q2_k(blocks: Bytes, out: Floats) -> None:
    n = len(blocks)
    small = blocks[:, :16]
    _scaled(_fields(blocks[:, 16:80].reshape(n, 2, 32), 2), half(blocks, 80) * (small & 15), out)
    view = out.reshape(n, 16, 16)
    view -= (half(blocks, 82) * (small >> 4))[:, :, None]


def _q3_k(blocks: Bytes, out: Floats) -> None:
    n = len(blocks)
    low = _fields(blocks[:, None, 96:104], 4).reshape(n, 16)
    high = _fields(blocks[:, None, 104:108], 2).reshape(n, 16)
    small = (low | high << 4).view(np.int8) - np.int8(32)
    q = _fields(blocks[:, 32:96].reshape(n, 2, 32), 2).reshape(n, 256)
    q |= _fields(blocks[:, None, :32], 1).reshape(n, 256) << 2
    q -= 4
    _scaled(q.view(np.int8), half(blocks, 108) * small, out)


def _sixes(blocks: Bytes) -> tuple[Bytes, Bytes]:
    """The eight 6-bit scales and eight 6-bit minima at bytes 4 to 16 of Q4_K and Q5_K, each [n, 8]."""
    first, second, third = (blocks[:, at : at + 4] for at in (4, 8, 12))
    scales = np.concatenate([first & 63, third & 15 | first >> 2 & 48], axis=1)
    minima = np.concatenate([second & 63, third >> 4 | second >> 2 & 48], axis=1)
    return scales, minima


def _scaled_minus(blocks: Bytes, q: Bytes, out: Floats) -> None:
    scales, minima = _sixes(blocks)
    _scaled(q, half(blocks, 0) * scales, out)
    view = out.reshape(len(blocks), 8, 32)
    view -= (half(blocks, 2) * minima)[:, :, None]


def _q4_k(blocks: Bytes, out: Floats) -> None:
    _scaled_minus(blocks, _fields(blocks[:, 16:144].reshape(-1, 4, 32), 4), out)


def _q5_k(blocks: Bytes, out: Floats) -> None:
    q = _fields(blocks[:, 48:176].reshape(-1, 4, 32), 4).reshape(-1, 8, 32)
    q |= _fields(blocks[:, None, 16:48], 1).reshape(-1, 8, 32) << 4
    _scaled_minus(blocks, q, out)


def _q6_k(blocks: Bytes, out: Floats) -> None:
    n = len(blocks)
    q = _fields(blocks[:, :128].reshape(n, 2, 64), 4).reshape(n, 256)
    q |= _fields(blocks[:, 128:192].reshape(n, 2, 32), 2).reshape(n, 256) << 4
    q -= 32
    _scaled(q.view(np.int8), half(blocks, 208) * blocks[:, 192:208].view(np.int8), out)


def _q8_k(blocks: Bytes, out: Floats) -> None:
    np.multiply(blocks[:, 4:260].view(np.int8), blocks[:, :4].view(np.float32), out=out)


DECODERS: dict[str, Decoder] = {
    "Q2_K": _q2_k, "Q3_K": _q3_k, "Q4_K": _q4_k, "Q5_K": _q5_k, "Q6_K": _q6_k, "Q8_K": _q8_k,
}  # fmt: skip
