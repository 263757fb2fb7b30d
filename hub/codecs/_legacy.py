"""Blocks of 32 values under one scale: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1.

Layouts are those of ggml-common.h: `d` float16 scale, `m` float16 minimum, then the quants. Four bits of value k lie in
the low half of byte k for k < 16 and in the high half of byte k - 16 for the others; the fifth bits follow in a uint32
of their own. value = d * q (+ m). Encoding rounds as `quantize_row_*_ref` of ggml-quants.c does.
"""

from __future__ import annotations

import numpy as np

from hub.codecs._kernel import Decoder, Encoder, Floats, half, nibbles, put_half, reciprocal, round_away
from hub.ir import Bytes


def _q4_0(blocks: Bytes, out: Floats) -> None:
    low, high = nibbles(blocks, 2, 18)
    low -= 8
    high -= 8
    out[:, :16] = low.view(np.int8)
    out[:, 16:] = high.view(np.int8)
    out *= half(blocks, 0)


def _q4_1(blocks: Bytes, out: Floats) -> None:
    out[:, :16], out[:, 16:] = nibbles(blocks, 4, 20)
    out *= half(blocks, 0)
    out += half(blocks, 2)


def _five(blocks: Bytes, at: int) -> Bytes:
    """Five-bit quants [n, 32]: fifth bits at byte `at`, nibbles behind them."""
    q = np.unpackbits(blocks[:, at : at + 4], axis=1, bitorder="little")
    q <<= 4
    low, high = nibbles(blocks, at + 4, at + 20)
    q[:, :16] |= low
    q[:, 16:] |= high
    return q


def _q5_0(blocks: Bytes, out: Floats) -> None:
    q = _five(blocks, 2)
    q -= 16
    np.multiply(half(blocks, 0), q.view(np.int8), out=out)


def _q5_1(blocks: Bytes, out: Floats) -> None:
    np.multiply(half(blocks, 0), _five(blocks, 4), out=out)
    out += half(blocks, 2)


def _q8_0(blocks: Bytes, out: Floats) -> None:
    out[:] = blocks[:, 2:].view(np.int8)
    out *= half(blocks, 0)


def _q8_1(blocks: Bytes, out: Floats) -> None:
    out[:] = blocks[:, 4:].view(np.int8)
    out *= half(blocks, 0)


def _extreme(x: Floats) -> Floats:
    """The value farthest from zero in every block, the first of equals, [n, 1]."""
    at = np.abs(x).argmax(axis=1, keepdims=True)
    return np.take_along_axis(x, at, axis=1)


def _levels(x: Floats, scale: Floats, offset: float, top: int) -> Bytes:
    """trunc(x * scale + offset) as uint8, at most `top`; `x` is overwritten."""
    x *= scale
    x += np.float32(offset)
    q = np.trunc(x, out=x).astype(np.uint8)
    return np.minimum(q, top, out=q)


def _pack(q: Bytes, out: Bytes, at: int) -> None:
    np.bitwise_or(q[:, :16] & 15, q[:, 16:] << 4, out=out[:, at : at + 16])


def _pack_fifth(q: Bytes, out: Bytes, at: int) -> None:
    out[:, at : at + 4] = np.packbits(q >> 4, axis=1, bitorder="little")


def _encode_q4_0(x: Floats, out: Bytes) -> None:
    d = _extreme(x) / np.float32(-8)
    put_half(out, 0, d)
    _pack(_levels(x * 1, reciprocal(d), 8.5, 15), out, 2)


def _encode_q5_0(x: Floats, out: Bytes) -> None:
    d = _extreme(x) / np.float32(-16)
    put_half(out, 0, d)
    q = _levels(x * 1, reciprocal(d), 16.5, 31)
    _pack_fifth(q, out, 2)
    _pack(q, out, 6)


def _above_least(x: Floats, out: Bytes, top: int) -> Bytes:
    """Quants of `x` counted from the block's minimum; stores both scales."""
    least = x.min(axis=1, keepdims=True)
    d = (x.max(axis=1, keepdims=True) - least) / np.float32(top)
    put_half(out, 0, d)
    put_half(out, 2, least)
    return _levels(x - least, reciprocal(d), 0.5, top)


def _encode_q4_1(x: Floats, out: Bytes) -> None:
    _pack(_above_least(x, out, 15), out, 4)


def _encode_q5_1(x: Floats, out: Bytes) -> None:
    q = _above_least(x, out, 31)
    _pack_fifth(q, out, 4)
    _pack(q, out, 8)


def _encode_q8_0(x: Floats, out: Bytes) -> None:
    d = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
    put_half(out, 0, d)
    out[:, 2:] = round_away(x * reciprocal(d)).astype(np.int8).view(np.uint8)


DECODERS: dict[str, Decoder] = {
    "Q4_0": _q4_0, "Q4_1": _q4_1, "Q5_0": _q5_0, "Q5_1": _q5_1, "Q8_0": _q8_0, "Q8_1": _q8_1,
}  # fmt: skip
ENCODERS: dict[str, Encoder] = {
    "Q4_0": _encode_q4_0, "Q4_1": _encode_q4_1, "Q5_0": _encode_q5_0, "Q5_1": _encode_q5_1, "Q8_0": _encode_q8_0,
}  # fmt: skip
