"""The searches for a scale of lanes whose levels lie around zero: Q3_K, Q6_K and the IQ4 types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hub.codecs._kernel import Floats
from hub.codecs._kquants_lanes import LEAST, Fit, extreme, nearest, nearest_between, summed

_ZERO = np.float32(0)

# Levels of f = inverse * x in place; and products of weights, values and levels into [values, 2, sub-blocks].
Levels: TypeAlias = Callable[[Floats], Floats]
Products: TypeAlias = Callable[[Floats, Floats], None]


def least_squares(x: Floats, inverses: Iterable[Floats], levels: Levels, products: Products) -> tuple[Floats, Floats]:
    """The scale that fits levels best, and the inverse scale that gave those levels.

    `products` gives weight * value * level and weight * level * level, in the reference's order. The first of the
    inverses is taken, a later one where it is better.
    """
    terms, f = np.empty((len(x), 2, x.shape[1]), np.float32), np.empty_like(x)
    scale = best = kept = np.full(x.shape[1], -np.inf, np.float32)
    for step, inverse in enumerate(inverses):
        np.multiply(inverse, x, out=f)
        products(levels(f), terms)
        sum_lx, sum_l2 = summed(terms)
        better = (sum_l2 > 0) & (sum_lx * sum_lx > best * sum_l2) if step else np.True_
        new = np.where(sum_l2 > 0, sum_lx / sum_l2, _ZERO)
        scale, best = np.where(better, new, scale), np.where(better, new * sum_lx, best)
        kept = np.where(better, inverse, kept)
    return scale, kept


def around_zero(x: Floats, half: int) -> Fit:
    """Scale of levels -half to half - 1 under weights x * x (`make_qx_quants` with its rmse_type 1)."""
    far = extreme(x)
    zero = np.abs(far) < LEAST
    exact, w = bool(np.isfinite(x).all()), x * x
    wx = w * x

    def levels(f: Floats) -> Floats:
        np.clip(nearest(f, exact), np.float32(-half), np.float32(half - 1), out=f)
        return f

    def products(f: Floats, terms: Floats) -> None:
        np.multiply(wx, f, out=terms[:, 0])
        np.multiply(w, f, out=terms[:, 1])
        terms[:, 1] *= f

    steps = np.array([0, *range(-9, 0), *range(1, 10)], np.float32)
    tries = np.float32(half) + np.float32(0.1) * steps
    scale, inverse = least_squares(x, (-levels_ / far for levels_ in tries), levels, products)
    # Levels of a sub-block of zeros are 0 as stored, the lowest ones: (0 - 1) * half.
    return Fit(
        np.where(zero, _ZERO, scale), np.zeros_like(scale), np.where(zero, np.float32(half), inverse),
        zero.astype(np.float32),
    )  # fmt: skip


def one_by_one(x: Floats, half: int) -> tuple[Floats, Floats]:
    """Scale and levels from -half, moving single levels while that helps (`make_q3_quants` with do_rmse).

    Levels of a sub-block of zeros are 0 as stored, the lowest ones.
    """
    far = extreme(x)
    zero = np.abs(far) < LEAST
    f: Floats = np.divide(np.float32(-half), far) * x
    nearest_between(f, -half, half - 1)
    sum_lx, sum_l2 = summed(x * x * x * f), summed(x * x * f * f)
    sum_lx, sum_l2, moved = _move(x, f, sum_lx, sum_l2, half)
    for _ in range(4):
        rest = np.flatnonzero(moved)
        levels = f[:, rest]
        sum_lx[rest], sum_l2[rest], moved[rest] = _move(x[:, rest], levels, sum_lx[rest], sum_l2[rest], half)
        f[:, rest] = levels
    scale = np.where(sum_l2 > 0, sum_lx / sum_l2, _ZERO)
    f += np.float32(half)
    f[:, zero] = 0
    return np.where(zero, _ZERO, scale), f


def _move(x: Floats, f: Floats, sum_lx: Floats, sum_l2: Floats, half: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Move each level of `f`, in place, to where it fits the others better: the sums, and which sub-blocks changed."""
    w = x * x
    wx, before = w * x, f.copy()
    for at in range(len(x)):
        old, lx, l2 = f[at], sum_lx - wx[at] * f[at], sum_l2 - w[at] * f[at] * f[at]
        new: Floats = np.divide(x[at] * l2, lx)
        nearest_between(new, -half, half - 1)
        usable = (lx > 0) & (new != old)
        lx += wx[at] * new
        l2 += w[at] * new * new
        better = usable & (l2 > 0) & (lx * lx * sum_l2 > sum_lx * sum_lx * l2)
        f[at] = np.where(better, new, old)
        sum_lx, sum_l2 = np.where(better, lx, sum_lx), np.where(better, l2, sum_l2)
    return sum_lx, sum_l2, (f != before).any(axis=0)
