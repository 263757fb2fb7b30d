"""Statistics of values that arrive in pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from hub_runtime.measure._nodes import Values


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known about `count` values.

    `min`, `max`, `mean`, `std` (of all, not of a sample) and `l2` (root of the sum of squares) are those of the finite
    values, None when there are none. `row_rms` is each row's (token's) root mean square, NaN where a value is not
    finite.
    """

    rows: int
    width: int
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    l2: float | None
    nan: int
    inf: int
    zeros: int
    count: int
    row_rms: list[float]


@dataclass
class Gatherer:
    """Adds up pieces of shape (rows, width) in float64."""

    rows: int = 0
    width: int = 0
    nan: int = 0
    inf: int = 0
    zeros: int = 0
    _n: int = 0
    _mean: float = 0.0
    _squares: float = 0.0  # of deviations from the mean
    _min: float = math.inf
    _max: float = -math.inf
    _row_rms: list[float] = field(default_factory=list)

    def add(self, values: Values) -> None:
        """Count another piece."""
        self.rows, self.width = self.rows + len(values), values.shape[1]
        exact = values.astype(np.float64)
        with np.errstate(invalid="ignore"):
            self._row_rms += np.sqrt(np.mean(exact * exact, axis=1)).tolist()
            finite = bool(np.isfinite(exact.sum()))
        if not finite:
            nan = int(np.isnan(exact).sum())
            exact = exact[np.isfinite(exact)]
            self.nan, self.inf = self.nan + nan, self.inf + values.size - nan - exact.size
        self.zeros += int(exact.size - np.count_nonzero(exact))
        if exact.size:
            self._merge(exact)

    def _merge(self, exact: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
        """Chan, Golub and LeVeque 1979: the mean and squared deviations of two sets together."""
        n, mean = exact.size, float(exact.mean())
        deviations = exact - mean
        squares, apart, total = float((deviations * deviations).sum()), mean - self._mean, self._n + n
        self._squares += squares + apart * apart * self._n * n / total
        self._mean += apart * n / total
        self._n = total
        self._min, self._max = min(self._min, float(exact.min())), max(self._max, float(exact.max()))

    def statistics(self) -> Statistics:
        """What was counted."""
        shape = (self.rows, self.width)
        counts = (self.nan, self.inf, self.zeros, self.rows * self.width)
        if not self._n:
            return Statistics(*shape, None, None, None, None, None, *counts, row_rms=self._row_rms)
        std = math.sqrt(self._squares / self._n)
        l2 = math.sqrt(self._squares + self._n * self._mean**2)
        values = (self._min, self._max, self._mean, std, l2)
        return Statistics(*shape, *values, *counts, row_rms=self._row_rms)
