"""What the samples say: medians, ratios and whether they are what they should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

from benchmarks.runtime._checks import Checks
from benchmarks.runtime._rounds import Samples, Wanted
from hub_runtime.measure import Host

SCHEMA = "hub.benchmark-runtime/2"


@dataclass(frozen=True, slots=True)
class Target:
    """`ours` over `other` (None: `ours` itself) should be at least, or for times at most, `bound`."""

    ours: str
    other: str | None
    bound: float
    least: bool = True

    @property
    def name(self) -> str:
        """What is held against what."""
        return self.ours if self.other is None else f"{self.ours} / {self.other}"

    def values(self, samples: Samples) -> list[float]:
        """The ratio of each round in which both were measured, as one follows the other there."""
        ours, other = samples.get(self.ours, {}), samples.get(self.other or "", {})
        if self.other is None:
            return list(ours.values())
        return [value / other[number] for number, value in ours.items() if number in other]

    def met(self, value: float) -> bool:
        """Whether `value` is what it should be."""
        return value >= self.bound if self.least else value <= self.bound


TARGETS = (
    Target("hub run", "llama-bench", 0.95),
    Target("hub serve, 1 client", "llama-bench", 0.95),
    Target("hub serve, 1 client", "bare loop, batch 1", 0.95),
    Target("hub serve, 1 client", "llama_cpp.server, 1 client", 1.0),
    Target("hub serve, 8 clients", "bare loop, batch 8", 0.9),
    Target("hub serve, 8 clients", "llama_cpp.server, 8 clients", 1.0),
    Target("share in llama_decode", None, 0.97),
    Target("APR load ms", "GGUF load ms", 1.1, least=False),
    Target("traced prompt ms", "untraced prompt ms", 1.3, least=False),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One run over one model; everything in it follows from `samples`, by name and number of the round.

    `ratios` are least, median and largest of the rounds' ratios; `missed` those whose median is not what it should be.
    """

    model: str
    threads: int
    rounds: int
    tokens: int
    host: dict[str, Any]
    medians: dict[str, float]
    ratios: dict[str, tuple[float, float, float]]
    missed: list[str]
    samples: Samples

    @classmethod
    def of(cls, wanted: Wanted, samples: Samples, host: Host) -> Self:
        """What was measured, and what it says."""
        values = {t: (min(v), median(v), max(v)) for t in TARGETS if (v := t.values(samples))}
        return cls(
            wanted.model.name, wanted.threads, wanted.rounds, wanted.tokens, asdict(host),
            {name: _short(median(found.values())) for name, found in samples.items()},
            {t.name: (_short(v[0]), _short(v[1]), _short(v[2])) for t, v in values.items()},
            [t.name for t, v in values.items() if not t.met(v[1])],
            samples,
        )  # fmt: skip


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def lines(result: Result) -> Iterator[str]:
    """The result as text."""
    yield f"{result.model}, {result.threads} threads, medians of {result.rounds} rounds:"
    for name, value in result.medians.items():
        found = result.samples[name].values()
        yield f"  {name:30} {value:9.4g}   {min(found):.4g} to {max(found):.4g}"
    for target in TARGETS:
        if target.name in result.ratios:
            verdict = "MISSED" if target.name in result.missed else "met"
            bound = f"{'at least' if target.least else 'at most'} {target.bound}"
            least, middle, most = result.ratios[target.name]
            yield f"  {target.name:55} {middle:7.3f} ({least:.3f} to {most:.3f}) {bound:14} {verdict}"


def keep(entry: Result | Checks, path: Path) -> None:
    """Put `entry` into the file at `path`, in place of an earlier one of the same model."""
    found = read(path) if path.exists() else _empty()
    kind = "runs" if isinstance(entry, Result) else "checks"
    found[kind] = [*(old for old in found[kind] if old["model"] != entry.model), asdict(entry)]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, separators=(",", ":")).replace('{"model"', '\n{"model"')
    path.write_text(text + "\n", encoding="utf-8")


def _empty() -> dict[str, Any]:
    return {"schema": SCHEMA, "runs": [], "checks": []}


def read(path: Path) -> dict[str, Any]:
    """The document at `path`."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
