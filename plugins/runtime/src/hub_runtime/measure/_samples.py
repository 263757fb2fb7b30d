"""Statistics of timed samples. Whoever has the samples can compute them again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

RULE = "linear interpolation between order statistics (Hyndman and Fan, type 7)"


@dataclass(frozen=True, slots=True)
class Summary:
    """`n` samples in short, in their own unit. `std` is that of a sample (n - 1), None for a single one."""

    n: int
    mean: float
    std: float | None
    min: float
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Summary | None:
        """The summary of `samples`; None when there are none."""
        if not samples:
            return None
        n, ordered = len(samples), sorted(samples)
        mean = math.fsum(ordered) / n
        std = math.sqrt(math.fsum((x - mean) ** 2 for x in ordered) / (n - 1)) if n > 1 else None
        p50, p95, p99 = (_at(ordered, p) for p in (50, 95, 99))
        return cls(n, mean, std, ordered[0], p50, p95, p99, ordered[-1])


def percentile(samples: Sequence[float], percent: float) -> float:
    """The value that `percent` % of `samples` lie under, by `RULE`; `ValueError` without samples."""
    if not samples:
        raise ValueError("no samples")
    return _at(sorted(samples), percent)


def _at(ordered: Sequence[float], percent: float) -> float:
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
