"""K-quants from values, to the bytes of ggml's `quantize_row_q*_K_ref`: Q2_K to Q6_K.

Every sub-block gets its best scale (`_kquants_minimum`, `_kquants_symmetric`), the scales become small integers under
a float16 of the super-block, and the values are rounded again under the scales as stored. Layouts as in `_kquants`.
"""

from __future__ import annotations

import numpy as np

from hub.codecs._kernel import Encoder, Floats, capped, put, spread
from hub.codecs._kquants_lanes import LEAST, Fit, farthest, lanes, nearest, nearest_between, summed
from hub.codecs._kquants_minimum import with_minimum
from hub.codecs._kquants_symmetric import around_zero, one_by_one
from hub.ir import Bytes

_ZERO = np.float32(0)


def _halved(values: Floats) -> tuple[Bytes, Floats]:
    """Values [n, 1] as bytes of float16, [n, 2], and what those stand for, [n, 1]."""
    half = values.astype(np.float16)
    return half.view(np.uint8), half.astype(np.float32)


def _low(q: Bytes, bits: int) -> Bytes:
    return q & np.uint8((1 << bits) - 1)


def _high(q: Bytes, bits: int) -> Bytes:
    return q >> np.uint8(bits)


def _up(q: Bytes, bits: int) -> Bytes:
    return q << np.uint8(bits)


def _packed(q: Bytes, run: int, bits: int) -> Bytes:
    """The lowest `bits` bits of quants [n, 256], `run` bytes at a time taking first the lowest fields."""
    parts = _low(q, bits).reshape(len(q), -1, 8 // bits, run)
    whole = parts[:, :, 0].copy()
    for k in range(1, 8 // bits):
        whole |= _up(parts[:, :, k], k * bits)
    return whole.reshape(len(q), -1)


def _requantized(x: Floats, d: Floats, m: Floats | None, fit: Fit, low: int, high: int) -> Bytes:
    """Levels `low` to `high`, counted from `low`, under stored scales and minima [n, k].

    Where the stored scale is 0 the search's levels stay, as they do in the reference.
    """
    shifted = x + spread(m, x) if m is not None else x
    f = nearest_between(shifted / spread(d, x), low, high)
    lost = np.flatnonzero(d.reshape(-1) == 0)
    if lost.size:
        sub, levels = x.reshape(d.size, -1), f.reshape(d.size, -1)
        above = fit.inverse[lost, None] * (sub[lost] - fit.base[lost, None])
        levels[lost] = nearest_between(above, low, high)
    f -= np.float32(low)
    return f.astype(np.uint8)


def _sixes(scales: Bytes, minima: Bytes) -> Bytes:
    """Twelve bytes of eight 6-bit scales and eight 6-bit minima."""
    first, second = (part[:, :4] | _up(_high(part[:, 4:], 4), 6) for part in (scales, minima))
    return np.concatenate([first, second, _up(minima[:, 4:], 4) | _low(scales[:, 4:], 4)], axis=1)


def _divided(values: Floats, top: int) -> tuple[Bytes, Floats, Bytes]:
    """Values [n, k] as integers up to `top` under a float16 each: its bytes, what it stands for, and the integers.

    A negative value wraps around to a large integer, as the reference's uint8 does.
    """
    most: Floats = np.fmax.reduce(values, axis=1, initial=_ZERO, keepdims=True) + _ZERO  # not -0
    small = nearest(np.where(most > 0, np.float32(top) / most, _ZERO) * values)
    return *_halved(most / np.float32(top)), small.astype(np.int32).astype(np.uint8)


def _with_sixes(x: Floats, out: Bytes, top: int, first: float, steps: int) -> Bytes:
    """Levels 0 to `top` of Q4_K and Q5_K; stores the scales."""
    columns = lanes(x, 32)
    w = np.sqrt(summed(columns * columns) / np.float32(32)) + np.abs(columns)
    fit = with_minimum(columns, w, top, first, steps, absolute=False)
    d_raw, d, scales = _divided(fit.scale.reshape(-1, 8), 63)
    m_raw, m, minima = _divided(fit.minimum.reshape(-1, 8), 63)
    scales, minima = capped(scales, 63), capped(minima, 63)
    put(out, 0, d_raw)
    put(out, 2, m_raw)
    put(out, 4, _sixes(scales, minima))
    return _requantized(x, d * scales, m * minima, fit, 0, top)


def _q4_k(x: Floats, out: Bytes) -> None:
    put(out, 16, _packed(_with_sixes(x, out, 15, -1, 20), 32, 4))


def _q5_k(x: Floats, out: Bytes) -> None:
    q = _with_sixes(x, out, 31, -0.5, 15)
    put(out, 48, _packed(q, 32, 4))
    put(out, 16, _packed(_high(q, 4), 32, 1))


def _q2_k(x: Floats, out: Bytes) -> None:
    columns = lanes(x, 16)
    fit = with_minimum(columns, np.abs(columns), 3, -0.5, 15, absolute=True)
    d_raw, d, scales = _divided(fit.scale.reshape(-1, 16), 15)
    m_raw, m, minima = _divided(fit.minimum.reshape(-1, 16), 15)
    small = scales | _up(minima, 4)
    put(out, 0, small)
    put(out, 16, _packed(_requantized(x, d * _low(small, 4), m * _high(small, 4), fit, 0, 3), 32, 2))
    put(out, 80, d_raw)
    put(out, 82, m_raw)


def _q6_k(x: Floats, out: Bytes) -> None:
    fit = around_zero(lanes(x, 16), 32)
    scales = fit.scale.reshape(-1, 16)
    most = farthest(scales)
    inverse = np.float32(-128) / most
    raw, half = _halved(np.float32(1) / inverse)
    small = np.minimum(nearest(inverse * scales), np.float32(127)).astype(np.int32).astype(np.int8)
    q = _requantized(x, half * small, None, fit, -32, 31)
    put(out, 0, _packed(q, 64, 4))
    put(out, 128, _packed(_high(q, 4), 32, 2))
    put(out, 192, small.view(np.uint8))
    put(out, 208, raw)
    out[np.abs(most[:, 0]) < LEAST] = 0


def _q3_k(x: Floats, out: Bytes) -> None:
    scale, levels = one_by_one(lanes(x, 16), 4)
    scales = scale.reshape(-1, 16)
    most = farthest(scales)
    inverse = np.where(most == 0, _ZERO, np.float32(-32) / most)
    raw, half = _halved(np.where(most == 0, _ZERO, np.float32(1) / inverse))
    six = (np.clip(nearest(inverse * scales), -32, 31) + np.float32(32)).astype(np.uint8)
    six[most[:, 0] == 0] = 0
    d = half * (six.view(np.int8) - np.int8(32))
    f = nearest_between(x / spread(d, x), -4, 3) + np.float32(4)
    q = np.where(spread(d, x) == 0, levels.T.reshape(x.shape), f).astype(np.uint8)
    put(out, 0, _packed(_high(q, 2), 32, 1))
    put(out, 32, _packed(q, 32, 2))
    put(out, 96, _low(six[:, :8], 4) | _up(six[:, 8:], 4))
    put(out, 104, _packed_fours(_high(six, 4)))
    put(out, 108, raw)


def _packed_fours(high: Bytes) -> Bytes:
    """Upper two bits of the sixteen 6-bit scales of Q3_K in four bytes: scale j in byte j % 4 at bit 2 * (j // 4)."""
    parts = high.reshape(-1, 4, 4) << np.array([0, 2, 4, 6], np.uint8)[:, None]
    whole: Bytes = np.bitwise_or.reduce(parts, axis=1)
    return whole


ENCODERS: dict[str, Encoder] = {"Q2_K": _q2_k, "Q3_K": _q3_k, "Q4_K": _q4_k, "Q5_K": _q5_k, "Q6_K": _q6_k}
