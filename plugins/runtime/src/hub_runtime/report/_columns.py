"""The columns of the results: a model on a device, with what was measured of it and in which document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from hub_runtime.measure import BenchReport, Host, LoadedFrom, ProfileReport, percentile
from hub_runtime.report._documents import Document, Traced, TracesCompared

# In the order of the course's table; other formats follow.
ORDER = ("gguf", "safetensors", "apr")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What numbers must have in common to be ranked: the machine, the programs, the work."""

    processor: str
    cores: int
    llama_cpp_python: str
    threads: int
    prompt: str
    max_tokens: int

    @classmethod
    def of(cls, report: BenchReport) -> Conditions:
        """Those that `report` was measured under."""
        host = report.host
        return cls(host.processor, host.cores, host.llama_cpp_python, report.threads, report.prompt, report.max_tokens)


@dataclass(frozen=True, slots=True)
class Value:
    """A number, the document it is from, and the conditions it was measured under (None: it needs none).

    `low` and `high`: the least and the most of the same number over each answer alone; None for what was measured once.
    """

    number: float
    file: str
    conditions: Conditions | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A model on a device: `values` by the key of a metric; one that was not measured is not there.

    `samples` is how many gaps between tokens the percentiles are of, `converted` whether loading converted the file.
    """

    label: str
    path: str
    format: str
    device: Literal["CPU", "GPU"]
    devices: list[str]
    values: dict[str, Value] = field(default_factory=dict)
    samples: int = 0
    converted: bool = False
    operations: list[tuple[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the results: its name, its unit, and whether more or less is better.

    `per_answer`: every answer has it; the others are measured once.
    """

    key: str
    title: str
    unit: str
    digits: int
    more_is_better: bool
    per_answer: bool = False
    scale: float = 1.0

    def said(self, number: float) -> str:
        """The number with its unit."""
        return f"{number / self.scale:,.{self.digits}f} {self.unit}"


METRICS = (
    Metric("file_size", "File size", "MB", 1, False, scale=1e6),
    Metric("load", "Load time", "ms", 0, False),
    Metric("prepare", "Checked, made into GGUF", "ms", 0, False),
    Metric("throughput", "Throughput", "tok/s", 1, True, per_answer=True),
    Metric("p50", "P50 latency", "ms", 2, False, per_answer=True),
    Metric("p95", "P95 latency", "ms", 2, False, per_answer=True),
    Metric("p99", "P99 latency", "ms", 2, False, per_answer=True),
    Metric("memory", "Peak memory", "MB", 1, False, scale=1e6),
    Metric("first_token", "First token", "ms", 1, False, per_answer=True),
    Metric("prompt", "Prompt throughput", "tok/s", 1, True, per_answer=True),
)


def columns(documents: Sequence[Document]) -> tuple[list[Column], list[str]]:
    """The columns that `documents` fill, and the files that later ones of the same kind replace."""
    groups: dict[tuple[str, tuple[str, ...]], dict[str, Document]] = {}
    replaced: list[str] = []
    for document in sorted(documents, key=lambda d: (started(host_of(d)), d.file)):
        content = document.content
        if isinstance(content, BenchReport | Traced):
            group = groups.setdefault((content.model.path, tuple(content.host.devices)), {})
            if document.schema in group and not isinstance(content, Traced):
                replaced.append(group[document.schema].file)
            group[document.schema] = document
    made = [_column(group) for group in groups.values()]
    made.sort(key=lambda c: (_rank(c.format), c.device, c.path))
    return _told_apart(made), sorted(replaced)


def host_of(document: Document) -> Host:
    """The machine that a document was made on."""
    content = document.content
    return content.ours.host if isinstance(content, TracesCompared) else content.host


def started(host: Host) -> float:
    """When the measurement was made, in seconds; 0 for a time that is none."""
    try:
        return datetime.fromisoformat(host.started).timestamp()
    except ValueError:
        return 0.0


def _rank(name: str) -> tuple[int, str]:
    return (ORDER.index(name), "") if name in ORDER else (len(ORDER), name)


def _column(group: dict[str, Document]) -> Column:
    """One column. A profile's latencies go before a bench's: it is asked for them, and has more answers."""
    made = {d.file: d.content for d in group.values() if isinstance(d.content, BenchReport | Traced)}
    reports = {file: c for file, c in sorted(made.items(), key=_profile_last) if isinstance(c, BenchReport)}
    first = next(iter(made))
    model, host = made[first].model, made[first].host
    values = {"file_size": Value(model.stored.nbytes, first)}
    for file, report in reports.items():
        values |= {k: v for k, v in _measured(report, file).items() if k in _LATENCY or k not in values}
    gpu = any(name.upper() != "CPU" for name in host.devices)
    return Column(
        _label(model, host if gpu else None),
        model.path,
        model.format,
        "GPU" if gpu else "CPU",
        host.devices,
        values,
        next((r.token_ms.n for r in reversed(reports.values()) if r.token_ms), 0),
        any(r.model.converted for r in reports.values()),
        _operations(reports.values()),
    )


def _profile_last(item: tuple[str, BenchReport | Traced]) -> bool:
    return isinstance(item[1], ProfileReport)


_LATENCY = {"p50", "p95", "p99"}


def _measured(report: BenchReport, file: str) -> dict[str, Value]:
    """What one document says, by metric."""
    gaps, rate = report.token_ms, report.generation_tokens_per_second
    spread = _spread(report)
    numbers: dict[str, float | None] = {
        "file_size": report.model.stored.nbytes,
        "load": report.model.load_ms,
        "prepare": report.model.bridge_ms,
        "throughput": rate.p50 if rate else None,
        "p50": gaps.p50 if gaps else None,
        "p95": gaps.p95 if gaps else None,
        "p99": gaps.p99 if gaps else None,
        "memory": report.memory.peak,
        "first_token": report.first_token_ms.p50,
        "prompt": report.prompt_tokens_per_second.p50,
    }
    conditions = Conditions.of(report)
    return {
        k: Value(n, file, None if k == "file_size" else conditions, *spread.get(k, (None, None)))
        for k, n in numbers.items()
        if n is not None
    }


def _spread(report: BenchReport) -> dict[str, tuple[float, float]]:
    """By metric, the least and the most over the answers."""
    first, rate, prompt = report.first_token_ms, report.generation_tokens_per_second, report.prompt_tokens_per_second
    found = {"first_token": (first.min, first.max), "prompt": (prompt.min, prompt.max)}
    if rate is not None:
        found["throughput"] = (rate.min, rate.max)
    for name, percent in (("p50", 50), ("p95", 95), ("p99", 99)):
        each = [percentile(sample.token_ms, percent) for sample in report.samples if sample.token_ms]
        if each:
            found[name] = (min(each), max(each))
    return found


def _operations(found: Iterable[BenchReport]) -> list[tuple[str, float]]:
    """What a token takes by operation, the dearest first, where it was profiled."""
    for report in found:
        if isinstance(report, ProfileReport):
            for phase in report.phases:
                if phase.name == "generation":
                    return [(s.name, s.ms) for s in phase.operations[:8]]
    return []


def _label(model: LoadedFrom, on_gpu: Host | None) -> str:
    how = f" ({model.stored.quantization})" if model.stored.quantization else ""
    device = f" on {', '.join(d for d in on_gpu.devices if d.upper() != 'CPU')}" if on_gpu else ""
    return f"{model.stored.title}{how}{device}"


def _told_apart(made: list[Column]) -> list[Column]:
    """Columns whose labels are all different."""
    labels = [c.label for c in made]
    return [replace(c, label=f"{c.label}, {c.path}") if labels.count(c.label) > 1 else c for c in made]
