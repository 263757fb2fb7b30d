"""Many sub-blocks side by side: arrays [values of a sub-block, sub-blocks], here called lanes.

Every operation is one over all sub-blocks, and each of them sees the float32 operations of ggml's reference quantizers
(ggml-quants.c) in their own order and unfused, as ggml's builds for x86-64 do them. Another order of the same sums
changes bytes. Levels are kept as whole float32 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hub.codecs._kernel import Floats

_MAGIC = np.float32(12582912)  # 1.5 * 2**23: in a sum with it the lowest bits are the nearest integer
_FITS = np.float32(4194303)  # up to here they are
LEAST = np.float32(1e-15)
"""A sub-block without a value of this size counts as zeros (GROUP_MAX_EPS)."""

_ZERO = np.float32(0)


def lanes(x: Floats, width: int) -> Floats:
    """Sub-blocks of `width` values side by side: [width, sub-blocks]."""
    return x.reshape(-1, width).T.copy()


def nearest(f: Floats, exact: bool = False) -> Floats:
    """`f` rounded in place as `nearest_int` does it, half to even.

    What does not fit gives what the bits happen to say, as it does there; `exact` says that everything fits.
    """
    f += _MAGIC
    if exact:
        f -= _MAGIC
    else:
        np.copyto(f, (f.view(np.int32) & 0x7FFFFF) - 0x400000)
    return f


def nearest_between(f: Floats, low: int, high: int) -> Floats:
    """`f` rounded in place and kept from `low` to `high`."""
    np.clip(nearest(f), np.float32(low), np.float32(high), out=f)
    return f


def summed(terms: Floats) -> Floats:
    """The sum over the first axis, one after the other."""
    total: Floats = terms[0].copy()
    for term in terms[1:]:
        total += term
    return total


def fits(*bounds: Floats) -> bool:
    """True when the rounding of everything between the bounds is exact."""
    return all(bool(np.all(np.abs(bound) < _FITS)) for bound in bounds)


@dataclass
class Fit:
    """What a search found for each sub-block: value = scale * level - minimum.

    The levels that go with it are those of (value - base) * inverse, rounded; a base and an inverse of the search's
    best step stand for them, because they are asked for only where a scale is lost to rounding.
    """

    scale: Floats
    minimum: Floats
    inverse: Floats
    base: Floats


def farthest(scales: Floats) -> Floats:
    """The scale farthest from zero in every super-block, the first of equals: [n, 1] of [n, k]; NaN does not count."""
    return extreme(scales.T)[:, None]


def extreme(x: Floats) -> Floats:
    """The value farthest from zero in every sub-block, the first of equals; NaN does not count."""
    sound = np.where(np.isnan(x), _ZERO, x)
    at = np.abs(sound).argmax(axis=0)
    far: Floats = np.take_along_axis(sound, at[None], axis=0)[0]
    return far
