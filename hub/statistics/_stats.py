"""Statistics of tensors, streamed: memory is a few pieces a thread, whatever the model's size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub import codecs
from hub.errors import HubError, UnsupportedFile
from hub.ir import Tensor
from hub.pipeline import Progress, Silent
from hub.statistics._threads import in_order

Values = NDArray[Any]
LISTED_ROWS = 1 << 20
PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Stats:
    """A tensor's values in short. `min` to `l2` are over finite values, None when there are none."""

    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    l2: float | None
    zeros: int
    nan: int
    inf: int


@dataclass(slots=True)
class Scan:
    """Running totals over the pieces of one tensor.

    Mean and `m2`, the sum of squared deviations, are merged piece by piece (Chan, Golub and LeVeque 1979), so that a
    small spread around a large mean survives. `dead` holds the first `LISTED_ROWS` rows that are all zero,
    `dead_rows` counts them all; only tensors of two dimensions and more have rows.
    """

    size: int = 0
    finite: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    mean: float = 0.0
    m2: float = 0.0
    squares: float = 0.0
    zeros: int = 0
    nan: int = 0
    inf: int = 0
    rows: int = 0
    dead_rows: int = 0
    dead: list[int] = field(default_factory=list)
    first_bad: int | None = None

    def add(self, values: Values) -> None:
        """Count the next values of the tensor, an array [rows, columns]."""
        flat = values.reshape(-1)
        finite = flat if flat.dtype.kind != "f" or np.isfinite(flat).all() else self._without_bad(flat)
        zeros = int(flat.size - np.count_nonzero(flat))
        if zeros:
            self._note_dead(~np.any(values, axis=1))
        self.zeros += zeros
        self.size += flat.size
        self.rows += len(values)
        if finite.size:
            self._merge(finite)

    def _without_bad(self, flat: Values) -> Values:
        good = np.isfinite(flat)
        nan = int(np.count_nonzero(np.isnan(flat)))
        self.nan += nan
        self.inf += int(flat.size - np.count_nonzero(good)) - nan
        if self.first_bad is None:
            self.first_bad = self.size + int(np.argmin(good))
        return np.asarray(flat[good])

    def _note_dead(self, dead: Values) -> None:
        index = np.flatnonzero(dead)
        self.dead_rows += len(index)
        self.dead += (index[: LISTED_ROWS - len(self.dead)] + self.rows).tolist()

    def _merge(self, finite: Values) -> None:
        self.low = min(self.low, float(finite.min()))
        self.high = max(self.high, float(finite.max()))
        wide = finite.astype(np.float64)
        mean = float(wide.mean())
        self.squares += _squared(wide)
        wide -= mean
        total = self.finite + wide.size
        gap = mean - self.mean
        self.m2 += _squared(wide) + gap * gap * self.finite * wide.size / total
        self.mean += gap * wide.size / total
        self.finite = total

    @property
    def stats(self) -> Stats:
        """The totals as statistics; `std` is the population's."""
        if not self.finite:
            return Stats(None, None, None, None, None, self.zeros, self.nan, self.inf)
        std, l2 = sqrt(self.m2 / self.finite), sqrt(self.squares)
        return Stats(self.low, self.high, self.mean, std, l2, self.zeros, self.nan, self.inf)


def _squared(values: Values) -> float:
    """The sum of squares. Not `values @ values`: BLAS would start threads of its own under each of ours."""
    return float(np.einsum("i,i->", values, values))


def scan(tensor: Tensor) -> Scan:
    """The totals of `tensor`; `UnsupportedFile` when its encoding has no decoder."""
    if not codecs.can_decode(tensor.encoding):
        raise UnsupportedFile(f"values in {tensor.encoding} cannot be decoded", tensor=tensor.name)
    totals = Scan()
    columns = tensor.shape[-1] if tensor.shape else 1
    with np.errstate(over="ignore", invalid="ignore"):
        for start, stop in _spans(tensor, columns):
            values = codecs.span(tensor, start, stop)
            totals.add(values.reshape(-1, min(columns, values.size)))
    return totals


def _spans(tensor: Tensor, columns: int) -> Iterator[tuple[int, int]]:
    """Ranges of about `PIECE` values: whole rows, or parts of the one row of a vector that can be read in parts."""
    whole = max(1, columns)
    step = PIECE if tensor.encoding.flat and len(tensor.shape) < 2 else max(1, PIECE // whole) * whole
    for start in range(0, tensor.size, step):
        yield start, min(tensor.size, start + step)


def scan_all(tensors: Iterable[Tensor], progress: Progress | None = None) -> Iterator[tuple[Tensor, Scan | HubError]]:
    """Each tensor with its totals, in order, or with what kept it from being read; several threads."""
    return in_order(_scan_or_error, list(tensors), lambda t: t.nbytes, progress or Silent(), "read")


def _scan_or_error(tensor: Tensor) -> Scan | HubError:
    try:
        return scan(tensor)
    except HubError as error:
        error.tensor = error.tensor or tensor.name
        return error
