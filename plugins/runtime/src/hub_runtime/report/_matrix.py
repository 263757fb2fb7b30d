"""What it costs and how fast it is where: in a browser, on CPUs, on GPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.errors import UsageError
from hub_runtime.report._columns import Column

TARGETS = ("wasm", "cpu", "gpu")
_HOW = {
    "cpu": "hub showcase MODEL --no-gpu --output cpu-benchmark.json",
    "gpu": "hub showcase MODEL --gpu --output gpu-benchmark.json, on a machine with a GPU",
    "wasm": "hub deploy puts a model into a web page; no command of hub times it there",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A model on a target, or (`model` None) a target on which nothing was measured and `how` it would be.

    `price` is what an hour of the target costs, as it was stated; `per_million` what a million generated tokens cost at
    the measured speed, one answer at a time. Both in the same currency, None when no price was stated.
    """

    target: str
    model: str | None
    tokens_per_second: float | None = None
    first_token_ms: float | None = None
    memory: float | None = None
    price: float | None = None
    per_million: float | None = None
    how: str = ""


def prices(stated: Sequence[str]) -> dict[str, float]:
    """By target, what "cpu=0.05" states; `UsageError` for anything else."""
    found: dict[str, float] = {}
    for text in stated:
        target, _, number = text.partition("=")
        try:
            found[target.lower()] = float(number)
        except ValueError as error:
            raise UsageError(f"--price takes TARGET=PER_HOUR such as cpu=0.05, not {text!r}") from error
        if target.lower() not in TARGETS or not 0 <= found[target.lower()] < float("inf"):
            raise UsageError(f"--price takes {', '.join(TARGETS)} and what an hour costs, not {text!r}")
    return found


def matrix(columns: Sequence[Column], price: Mapping[str, float]) -> list[Cell]:
    """A cell for each model and target; `UsageError` for a price that no measured speed makes a cost of."""
    cells: list[Cell] = []
    for target in TARGETS:
        measured = [c for c in columns if c.device.lower() == target and "throughput" in c.values]
        if target in price and not measured:
            raise UsageError(f"--price {target} has no effect: nothing was measured there")
        cells += [_cell(target, c, price.get(target)) for c in measured] or [Cell(target, None, how=_HOW[target])]
    return cells


def _cell(target: str, column: Column, price: float | None) -> Cell:
    rate = column.values["throughput"].number
    first, memory = (v.number if (v := column.values.get(key)) else None for key in ("first_token", "memory"))
    cost = None if price is None else price / 3600 / rate * 1e6
    return Cell(target, column.label, rate, first, memory, price, cost)
