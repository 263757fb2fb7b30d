"""Blocks of 32 values under one scale: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1.

Layouts are those of ggml-common.h: `d` float16 scale, `m` float16 minimum, then the quants. Four bits of value k lie in
the low half of byte k for k < 16 and in the high half of byte k - 16 for the others; the fifth bits are a uint32 before
them. value = d * q (+ m). Encoding rounds as `quantize_row_*_ref` of ggml-quants.c does.
"""

from __future__ import annotations

import numpy as np

from hub.codecs._kernel import (
    Decoder,
    Encoder,
    Floats,
    bits_of,
    capped,
    cut,
    fields,
    folded,
    half,
    lay,
    put,
    put_half,
    reciprocal,
    rounded,
    scaled,
    spread,
    words,
)
from hub.ir import Bytes


def _q4_0(blocks: Bytes, out: Floats) -> None:
    q = lay(fields(cut(blocks, 2, 18), 4))
    q -= 8
    scaled(q.view(np.int8), half(blocks, 0), out)


def _q4_1(blocks: Bytes, out: Floats) -> None:
    scaled(lay(fields(cut(blocks, 4, 20), 4)), half(blocks, 0), out)
    out += spread(half(blocks, 2), out)


def _five(blocks: Bytes, at: int) -> Bytes:
    """Five-bit quants [n, 32]: fifth bits at byte `at`, nibbles behind them."""
    q, fifth = lay(fields(cut(blocks, at + 4, at + 20), 4)), words(bits_of(cut(blocks, at, at + 4)))
    fifth <<= np.uint64(4)
    whole = words(q)
    whole |= fifth
    return q


def _q5_0(blocks: Bytes, out: Floats) -> None:
    q = _five(blocks, 2)
    q -= 16
    scaled(q.view(np.int8), half(blocks, 0), out)


def _q5_1(blocks: Bytes, out: Floats) -> None:
    scaled(_five(blocks, 4), half(blocks, 0), out)
    out += spread(half(blocks, 2), out)


def _q8_0(blocks: Bytes, out: Floats) -> None:
    scaled(cut(blocks, 2, 34).view(np.int8), half(blocks, 0), out)


def _q8_1(blocks: Bytes, out: Floats) -> None:
    scaled(cut(blocks, 4, 36).view(np.int8), half(blocks, 0), out)


def _extreme(x: Floats) -> Floats:
    """The value farthest from zero in every block, the first of equals, [n, 1]."""
    most, least = folded(x, np.maximum, np.minimum)
    extreme = np.where(most > -least, most, least)
    equal = np.flatnonzero(~((most > -least) | (most < -least)))
    if equal.size:
        rows = x[equal]
        extreme[equal, 0] = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    return extreme


def _ends(x: Floats) -> tuple[Floats, Floats]:
    """Largest and smallest value of every block, each [n, 1]."""
    most, least = folded(x, np.maximum, np.minimum)
    # Which zero wins when there are both signs is NumPy's choice; the reference takes it over whole blocks.
    zero = np.flatnonzero((most == 0) | (least == 0))
    if zero.size:
        most[zero], least[zero] = x[zero].max(axis=1, keepdims=True), x[zero].min(axis=1, keepdims=True)
    return most, least


def _levels(x: Floats, offset: float, top: int) -> Bytes:
    """trunc(x + offset) as uint8, at most `top`; `x` is overwritten."""
    x += np.float32(offset)
    return capped(x.astype(np.uint8), top)


def _pack(q: Bytes, out: Bytes, at: int) -> None:
    """Store the low four bits of `q` [n, 32] as nibbles."""
    low, high = (words(cut(q, side, side + 16)) for side in (0, 16))
    mask = np.uint64(0x0F0F0F0F0F0F0F0F)
    low &= mask
    high &= mask
    high <<= np.uint64(4)
    low |= high
    put(out, at, low.view(np.uint8).reshape(-1, 16))


def _pack_fifth(q: Bytes, out: Bytes, at: int) -> None:
    put(out, at, np.packbits((q & 16).reshape(-1), bitorder="little").reshape(-1, 4))


def _around_zero(x: Floats, out: Bytes, middle: int) -> Bytes:
    """Quants of `x` counted from -middle, the extreme value being the lowest one; stores the scale."""
    d = _extreme(x) / np.float32(-middle)
    put_half(out, 0, d)
    return _levels(x * spread(reciprocal(d), x), middle + 0.5, 2 * middle - 1)


def _above_least(x: Floats, out: Bytes, top: int) -> Bytes:
    """Quants of `x` counted from the block's minimum; stores both scales."""
    most, least = _ends(x)
    d = (most - least) / np.float32(top)
    put_half(out, 0, d)
    put_half(out, 2, least)
    above = x - spread(least, x)
    above *= spread(reciprocal(d), x)
    return _levels(above, 0.5, top)


def _encode_q4_0(x: Floats, out: Bytes) -> None:
    _pack(_around_zero(x, out, 8), out, 2)


def _encode_q5_0(x: Floats, out: Bytes) -> None:
    q = _around_zero(x, out, 16)
    _pack_fifth(q, out, 2)
    _pack(q, out, 6)


def _encode_q4_1(x: Floats, out: Bytes) -> None:
    _pack(_above_least(x, out, 15), out, 4)


def _encode_q5_1(x: Floats, out: Bytes) -> None:
    q = _above_least(x, out, 31)
    _pack_fifth(q, out, 4)
    _pack(q, out, 8)


def _encode_q8_0(x: Floats, out: Bytes) -> None:
    size = np.abs(x)
    (most,) = folded(size, np.maximum)
    d = most / np.float32(127)
    put_half(out, 0, d)
    size *= spread(reciprocal(d), x)
    put(out, 2, rounded(size, x).view(np.uint8))


DECODERS: dict[str, Decoder] = {
    "Q4_0": _q4_0, "Q4_1": _q4_1, "Q5_0": _q5_0, "Q5_1": _q5_1, "Q8_0": _q8_0, "Q8_1": _q8_1,
}  # fmt: skip
ENCODERS: dict[str, Encoder] = {
    "Q4_0": _encode_q4_0, "Q4_1": _encode_q4_1, "Q5_0": _encode_q5_0, "Q5_1": _encode_q5_1, "Q8_0": _encode_q8_0,
}  # fmt: skip
