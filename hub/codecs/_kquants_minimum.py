"""The search for a scale and a minimum of lanes: Q2_K, Q4_K and Q5_K."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hub.codecs._kernel import Floats
from hub.codecs._kquants_lanes import Fit, fits, nearest, summed

_ZERO, _ONE = np.float32(0), np.float32(1)


def with_minimum(x: Floats, w: Floats, top: int, first: float, steps: int, absolute: bool) -> Fit:
    """Scale and minimum of levels 0 to `top` under weights `w` (`make_qkx2_quants`).

    Steps 0 to `steps` try inverse scales that are 0.1 apart, the first for top + first levels. The error is that of
    squares, or of absolute values.
    """
    search = _Search(x, w, top, absolute)
    for step in range(steps + 1):
        search.try_levels(np.float32(first) + np.float32(0.1) * np.float32(step) + np.float32(top))
    return search.result()


class _Search:
    """The state of `with_minimum`."""

    def __init__(self, x: Floats, w: Floats, top: int, absolute: bool) -> None:
        self.x, self.w, self.top, self.measure = x, w, np.float32(top), np.abs if absolute else np.square
        self.least, self.most = (np.where(np.isnan(x[0]), x[0], op.reduce(x)) for op in (np.fmin, np.fmax))
        self.sum_w, self.sum_x = summed(w), summed(w * x)
        self.least_base = np.minimum(self.least, _ZERO)
        self.flat = self.most == self.least_base
        self.levels = np.empty_like(x)
        self.terms = np.empty((len(x), 3, x.shape[1]), np.float32)
        self.fit = Fit(np.empty_like(self.most), self.least_base.copy(), np.empty_like(self.most), self.least_base)
        self._start()

    def _start(self) -> None:
        fit = self.fit
        fit.inverse = self._round(self.top)
        fit.scale = _ONE / fit.inverse
        self.best = self._error(fit.scale, fit.minimum)
        self.best[self.flat] = -np.inf  # nothing is better

    def _round(self, levels: np.float32) -> Floats:
        """Set the levels for `levels` of them between minimum and maximum; the inverse scale used."""
        base = self.fit.minimum
        inverse: Floats = np.divide(levels, np.where(self.flat, _ONE, self.most - base))
        low, high = inverse * (self.least - base), inverse * (self.most - base)
        f = np.subtract(self.x, base, out=self.levels)
        f *= inverse
        exact = fits(low, high)
        nearest(f, exact)
        if not (exact and low.min() >= np.float32(-0.5) and high.max() < self.top + np.float32(0.5)):
            np.clip(f, _ZERO, self.top, out=f)
        return inverse

    def _error(self, scale: Floats, minimum: Floats) -> Floats:
        """The weighted error of the levels, which are overwritten."""
        f = self.levels
        f *= scale
        f += minimum
        f -= self.x
        self.measure(f, out=f)
        f *= self.w
        return summed(f)

    def try_levels(self, levels: np.float32) -> None:
        """Take the least-squares scale and minimum of the levels that `levels` gives where they are better."""
        fit, base = self.fit, self.fit.minimum
        inverse = self._round(levels)
        scale, minimum, sound = self._least_squares()
        error = self._error(scale, minimum)
        better = sound & (error < self.best)
        fit.scale, fit.minimum = np.where(better, scale, fit.scale), np.where(better, minimum, base)
        fit.inverse, fit.base = np.where(better, inverse, fit.inverse), np.where(better, base, fit.base)
        self.best = np.where(better, error, self.best)

    def _least_squares(self) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Scale, minimum and whether there are such, for the levels."""
        wl, wll, wlx = self.terms.swapaxes(0, 1)
        np.multiply(self.w, self.levels, out=wl)
        np.multiply(wl, self.levels, out=wll)
        np.multiply(wl, self.x, out=wlx)
        sum_l, sum_l2, sum_xl = summed(self.terms)
        determinant = self.sum_w * sum_l2 - sum_l * sum_l
        scale = (self.sum_w * sum_xl - self.sum_x * sum_l) / determinant
        minimum = (sum_l2 * self.sum_x - sum_l * sum_xl) / determinant
        above = minimum > 0
        return np.where(above, sum_xl / sum_l2, scale), np.where(above, _ZERO, minimum), determinant > 0

    def result(self) -> Fit:
        """What was found; a sub-block of one value that is not positive has the scale 0."""
        fit = self.fit
        scale, inverse = np.where(self.flat, _ZERO, fit.scale), np.where(self.flat, _ZERO, fit.inverse)
        return Fit(scale, -fit.minimum, inverse, fit.base)
