"""What the samples say: medians, ratios and whether they are what they should be; as JSON and as a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

from benchmarks.runtime._checks import Checks
from benchmarks.runtime._rounds import Samples, Wanted
from hub_runtime.measure import Host

SCHEMA = "hub.benchmark-runtime/1"


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

    def value(self, samples: Samples) -> float | None:
        """The ratio of the medians; None where one was not measured."""
        return self._by(median, samples)

    def unhindered(self, samples: Samples) -> float | None:
        """The ratio of the best samples: a busy machine only ever slows things down."""
        return self._by(min if self.ours.endswith(" ms") else max, samples)

    def _by(self, rule: Callable[[list[float]], float], samples: Samples) -> float | None:
        values = [samples.get(name) for name in (self.ours, self.other) if name is not None]
        found = [rule(value) for value in values if value]
        if len(found) < len(values):
            return None
        return found[0] / found[1] if len(found) == 2 else found[0]

    def met(self, value: float) -> bool:
        """Whether `value` is what it should be."""
        return value >= self.bound if self.least else value <= self.bound


TARGETS = (
    Target("hub run", "llama-bench", 0.95),
    Target("hub serve, 1 client", "llama-bench", 0.95),
    Target("hub serve, 1 client", "llama_cpp.server, 1 client", 1.0),
    Target("hub serve, 8 clients", "bare loop, batch 8", 0.9),
    Target("hub serve, 8 clients", "llama_cpp.server, 8 clients", 1.0),
    Target("share in llama_decode", None, 0.97),
    Target("APR load ms", "GGUF load ms", 1.1, least=False),
    Target("traced prompt ms", "untraced prompt ms", 1.3, least=False),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One run over one model; everything in it follows from `samples`."""

    model: str
    threads: int
    rounds: int
    tokens: int
    host: dict[str, Any]
    medians: dict[str, float]
    ratios: dict[str, float]
    unhindered: dict[str, float]
    missed: list[str]
    samples: Samples

    @classmethod
    def of(cls, wanted: Wanted, samples: Samples, host: Host) -> Self:
        """What was measured, and what it says."""
        values = {t: v for t in TARGETS if (v := t.value(samples)) is not None}
        return cls(
            wanted.model.name, wanted.threads, wanted.rounds, wanted.tokens, asdict(host),
            {name: _short(median(found)) for name, found in samples.items()},
            {t.name: _short(v) for t, v in values.items()},
            {t.name: _short(v) for t in values if (v := t.unhindered(samples)) is not None},
            [t.name for t, v in values.items() if not t.met(v)],
            samples,
        )  # fmt: skip


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def lines(result: Result) -> Iterator[str]:
    """The result as text."""
    yield f"{result.model}, {result.threads} threads, medians of {result.rounds} rounds:"
    for name, value in result.medians.items():
        yield f"  {name:30} {value:9.4g}   {min(result.samples[name]):.4g} to {max(result.samples[name]):.4g}"
    for target in TARGETS:
        if target.name in result.ratios:
            verdict = "MISSED" if target.name in result.missed else "met"
            bound = f"{'at least' if target.least else 'at most'} {target.bound}"
            best = result.unhindered[target.name]
            yield f"  {target.name:55} {result.ratios[target.name]:7.3f} (best {best:5.3f}) {bound:14} {verdict}"


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
