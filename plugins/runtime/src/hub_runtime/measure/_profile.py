"""Where the time of an answer goes: latencies without looking, then one answer with every node timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import median
from typing import Literal

from hub_runtime.engine import Context
from hub_runtime.loading import Loaded
from hub_runtime.measure._bench import BenchReport, BenchSettings, Tick, bench, context_for
from hub_runtime.measure._nodes import VIEWS, Node, layer_of
from hub_runtime.measure._samples import Summary
from hub_runtime.measure._tracer import Tracer, feed

PROMPT_PASSES = 5


@dataclass(frozen=True, slots=True)
class Share:
    """What one thing takes in one pass: milliseconds, its share of the phase, and how many nodes it is."""

    name: str
    ms: float
    share: float
    count: int


@dataclass(frozen=True, slots=True)
class LayerShare(Share):
    """A layer (None: what lies outside of all), and the nodes in it by name, the dearest first."""

    layer: int | None
    nodes: list[Share]


@dataclass(frozen=True, slots=True)
class Phase:
    """The prompt, or the tokens after it, with every node timed.

    Each node counts with its median over `passes` passes, so that what else the machine does in one of them counts for
    little; `ms` is the sum over all nodes. `untraced_ms` is the fastest pass without looking: timing every node
    makes each of them wait for the one before, and small ones look dearer. Views compute nothing and are left out.
    """

    name: Literal["prompt", "generation"]
    passes: int
    ms: float
    untraced_ms: float
    operations: list[Share]
    layers: list[LayerShare]


@dataclass(frozen=True, slots=True)
class Assertion:
    """A limit, and what was measured; `measured` is None, and the assertion failed, when nothing was."""

    name: str
    limit: float
    measured: float | None
    passed: bool


@dataclass(frozen=True, slots=True)
class ProfileReport(BenchReport):
    """What `bench` measured, and where the time goes."""

    phases: list[Phase]
    assertions: list[Assertion]
    passed: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on one of the measures of `LIMITS`."""

    measure: str
    limit: float

    def judge(self, report: BenchReport) -> Assertion:
        """Whether `report` keeps it; what was not measured does not."""
        column, place, least, unit = LIMITS[self.measure]
        value = report.memory.peak if column == "memory" else _of(getattr(report, column), place)
        measured = None if value is None else value / unit
        passed = measured is not None and (measured >= self.limit if least else measured <= self.limit)
        return Assertion(self.measure, self.limit, measured, passed)


def _of(summary: Summary | None, place: str) -> float | None:
    found: float | None = getattr(summary, place) if summary is not None else None
    return found


# measure: (field of the report, field of its summary, whether the limit is the least, one of the limit's units)
LIMITS: dict[str, tuple[str, str, bool, float]] = {
    "p50": ("token_ms", "p50", False, 1),
    "p95": ("token_ms", "p95", False, 1),
    "p99": ("token_ms", "p99", False, 1),
    "first-token": ("first_token_ms", "p95", False, 1),
    "throughput": ("generation_tokens_per_second", "p50", True, 1),
    "memory": ("memory", "peak", False, 2**20),
}


_Key = tuple[int | None, str, str]  # layer, node name, operation


@dataclass
class _Times:
    """Nanoseconds of each pass, and nodes, by layer, node name and operation."""

    passes: int = 0
    times: dict[_Key, list[int]] = field(default_factory=dict)
    nodes: dict[_Key, int] = field(default_factory=dict)

    def see(self, node: Node, nanoseconds: int) -> None:
        if node.op in VIEWS:
            return
        name, layer = layer_of(node.name)
        key = (layer, name if layer is not None else _kind(node.name), node.op)
        times = self.times.setdefault(key, [])
        times += [0] * (self.passes - len(times))
        times[-1] += nanoseconds
        self.nodes[key] = self.nodes.get(key, 0) + 1

    def phase(self, name: Literal["prompt", "generation"], untraced_ms: float) -> Phase:
        items = [(key, median(times) / 1e6, self.nodes[key] // self.passes) for key, times in self.times.items()]
        total = sum(ms for _, ms, _ in items)
        layers = sorted({key[0] for key in self.times}, key=lambda n: (n is None, n))
        operations = _shares([(op, ms, count) for (_, _, op), ms, count in items], total)
        parts = []
        for layer in layers:
            mine = [(f"{node} {op}", ms, count) for (at, node, op), ms, count in items if at == layer]
            ms, count = sum(m for _, m, _ in mine), sum(c for _, _, c in mine)
            label = "outside layers" if layer is None else f"layer {layer}"
            parts.append(LayerShare(label, ms, ms / total, count, layer, _shares(mine, total)))
        return Phase(name, self.passes, total, untraced_ms, operations, parts)


def _kind(name: str) -> str:
    """A node outside layers by kind: the scheduler numbers those without a name."""
    return "node" if name.startswith("node_") else name


def _shares(items: Sequence[tuple[str, float, int]], total: float) -> list[Share]:
    """(name, ms, nodes) added up by name, the dearest first."""
    sums: dict[str, tuple[float, int]] = {}
    for name, ms, count in items:
        before = sums.get(name, (0.0, 0))
        sums[name] = (before[0] + ms, before[1] + count)
    found = [Share(name, ms, ms / total, count) for name, (ms, count) in sums.items()]
    return sorted(found, key=lambda s: -s.ms)


def profile(
    path: Path, loaded: Loaded, settings: BenchSettings, limits: Sequence[Limit] = (), tick: Tick | None = None
) -> ProfileReport:
    """Measure answers as `bench` does, then one more with every node timed, and judge `limits`."""
    report = bench(path, loaded, settings, tick)
    tokens = loaded.model.vocab.tokenize(settings.prompt)
    tracer = Tracer()
    with context_for(loaded.model, len(tokens), settings.max_tokens, settings.ctx, settings.threads, tracer) as context:
        phases = _phases(context, tracer, tokens, report)
    assertions = [limit.judge(report) for limit in limits]
    values = {f.name: getattr(report, f.name) for f in fields(report)}
    return ProfileReport(**values, phases=phases, assertions=assertions, passed=all(a.passed for a in assertions))


def _phases(context: Context, tracer: Tracer, tokens: list[int], report: BenchReport) -> list[Phase]:
    prompt, rest = _Times(), _Times()
    feed(context, tokens)  # the first pass touches the weights and reserves memory
    index = 0
    for _ in range(PROMPT_PASSES):
        context.clear()
        prompt.passes += 1
        with tracer.watching(_everything, prompt.see):
            index = feed(context, tokens)
    for position in range(len(tokens), len(tokens) + report.max_tokens - 1):
        rest.passes += 1
        token = int(context.logits(index).argmax())
        with tracer.watching(_everything, rest.see):
            index = feed(context, [token], position)
    found = [prompt.phase("prompt", report.first_token_ms.min)]
    if report.token_ms is not None:
        found.append(rest.phase("generation", report.token_ms.min))
    return found


def _everything(_: str) -> bool:
    return True
