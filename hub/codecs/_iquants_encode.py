"""IQ4_NL and IQ4_XS from values, to the bytes of ggml's `quantize_iq4_nl` and `quantize_iq4_xs`.

Each sub-block of 32 gets the scale under which the sixteen levels fit it best among fifteen tries. Layouts as in
`_iquants`.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hub.codecs._iquants import LEVELS
from hub.codecs._kernel import Encoder, Floats, cut, put, put_half, spread
from hub.codecs._kquants_lanes import LEAST, extreme, farthest, lanes, nearest_between
from hub.codecs._kquants_symmetric import least_squares
from hub.ir import Bytes

_ZERO, _ONE = np.float32(0), np.float32(1)
_LOWEST, _HIGHEST = LEVELS[0], LEVELS[-1]
_FOUR = np.uint8(4)


@cache
def _nearest_levels() -> NDArray[np.uint8]:
    """The nearest level's index for every half from the lowest to the highest level; the middle goes to the upper."""
    middles = [a + b for a, b in pairwise(LEVELS)]  # doubled
    halves = np.arange(2 * _LOWEST, 2 * _HIGHEST + 1)
    return np.searchsorted(middles, halves, side="right").astype(np.uint8)


def _indices(f: Floats) -> NDArray[np.intp]:
    """Where the numbers `f`, which are overwritten, lie in `_nearest_levels`; NaN is taken for the highest.

    Middles are multiples of a half and the distances next to them are exact, so nothing but the half below counts.
    """
    if np.isnan(f.min()):
        f[np.isnan(f)] = _HIGHEST
    np.clip(f, np.float32(_LOWEST), np.float32(_HIGHEST), out=f)
    f += f
    np.floor(f, out=f)
    f -= np.float32(2 * _LOWEST)
    return f.astype(np.intp)


def _scales(x: Floats) -> Floats:
    """The best scale of every sub-block of lanes `x`, and 0 for one of zeros."""
    far = extreme(x)
    zero = np.abs(far) < LEAST
    far[zero] = _ONE  # no NaN where only the zero counts
    w = x * x
    table = np.array(LEVELS, np.float32)[_nearest_levels()]

    def levels(f: Floats) -> Floats:
        return np.take(table, _indices(f), out=f, mode="clip")

    def products(q: Floats, terms: Floats) -> None:
        wq = np.multiply(w, q, out=terms[:, 1])
        np.multiply(wq, x, out=terms[:, 0])
        wq *= q

    first = _ONE / (-far / np.float32(_LOWEST))
    tries = (np.float32(_LOWEST + step) / far for step in range(-7, 8))
    scale, _ = least_squares(x, (first, *tries), levels, products)
    return np.where(zero, _ZERO, scale)


def _inverse(d: Floats) -> Floats:
    return np.where(d == 0, _ZERO, _ONE / d)


def _quants(x: Floats, d: Floats) -> Bytes:
    """Packed indices of the levels nearest to x / d, [n, half as many bytes]: value k and k + 16 of 32 share a byte."""
    q = np.take(_nearest_levels(), _indices(spread(_inverse(d), x) * x)).reshape(-1, 32)
    return (cut(q, 0, 16) | cut(q, 16, 32) << _FOUR).reshape(len(x), -1)


def _iq4_nl(x: Floats, out: Bytes) -> None:
    d = _scales(lanes(x, 32))[:, None]
    put_half(out, 0, d)
    put(out, 2, _quants(x, d))


def _iq4_xs(x: Floats, out: Bytes) -> None:
    scales = _scales(lanes(x, 32)).reshape(-1, 8)
    d = -farthest(scales) / np.float32(32)
    small = nearest_between(_inverse(d) * scales, -32, 31)
    stored = (small + np.float32(32)).astype(np.uint8)
    put_half(out, 0, d)
    high = (stored >> _FOUR).astype(np.uint16) << np.arange(0, 16, 2, dtype=np.uint16)
    put(out, 2, np.bitwise_or.reduce(high, axis=1, keepdims=True).view(np.uint8))
    put(out, 4, stored[:, ::2] & np.uint8(15) | stored[:, 1::2] << _FOUR)
    put(out, 8, _quants(x, d * small))


ENCODERS: dict[str, Encoder] = {"IQ4_NL": _iq4_nl, "IQ4_XS": _iq4_xs}
