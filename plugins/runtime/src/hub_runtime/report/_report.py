"""The report as a value: printed as text, Markdown, HTML or one JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.errors import UsageError
from hub_runtime.measure import RULE, BenchReport, Host
from hub_runtime.report._columns import METRICS, Column, columns, host_of
from hub_runtime.report._documents import Compared, Document, Gathered, Stranger, TracesCompared
from hub_runtime.report._equivalence import Equivalence, equivalence
from hub_runtime.report._matrix import Cell, matrix
from hub_runtime.report._rules import BY_KEY, Recommendation, conditions_apart, recommend

_MEASURE = "hub showcase {} --output {}-benchmark.json"
FEW = 100  # a P99 of fewer samples is the largest of them, or close to it


@dataclass(frozen=True, slots=True)
class Used:
    """A document that the report was made of."""

    file: str
    schema: str
    model: str


@dataclass(frozen=True, slots=True)
class Work:
    """What was asked of a model in one document."""

    file: str
    prompt: str
    prompt_tokens: int
    max_tokens: int
    warmup: int
    iterations: int
    threads: int
    ctx: int


@dataclass(frozen=True, slots=True)
class Missing:
    """Numbers of one model that no document has, and the command that measures them."""

    label: str
    metrics: list[str]
    command: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says. `replaced`: files with a later one of their kind; `strangers`: not understood.

    `hosts` are the machines, `work` what was asked of the models, `missing` numbers that no document has.
    """

    folder: str
    used: list[Used]
    replaced: list[str]
    strangers: list[Stranger]
    hosts: list[Host]
    work: list[Work]
    percentile_rule: str
    columns: list[Column]
    missing: list[Missing]
    equivalence: Equivalence
    recommendations: list[Recommendation]
    matrix: list[Cell]
    summary: list[str]
    observations: list[str]


def report_on(found: Gathered, folder: Path, price: Mapping[str, float] | None = None) -> Report:
    """The report on what was found; `UsageError` when there is no measurement among it."""
    documents = found.documents
    if not documents:
        hint = "hub showcase MODEL --output FILE writes one"
        raise UsageError(f"none of {len(found.strangers)} JSON files is a measurement", file=folder, hint=hint)
    made, replaced = columns(documents)
    kept = [d for d in documents if d.file not in replaced]
    same = equivalence(kept)
    advice = recommend(made)
    return Report(
        str(folder),
        [Used(d.file, d.schema, _model(d)) for d in kept],
        replaced,
        found.strangers,
        _hosts(kept),
        [_work(d.file, d.content) for d in kept if isinstance(d.content, BenchReport)],
        RULE,
        made,
        [Missing(c.label, gone, _MEASURE.format(c.path, c.format)) for c in made if (gone := _missing(c))],
        same,
        advice,
        matrix(made, price or {}),
        _summary(made, advice, same),
        list(_observations(made, same)),
    )


def _model(document: Document) -> str:
    content = document.content
    if isinstance(content, TracesCompared):
        return content.ours.model.path
    return (content.reference if isinstance(content, Compared) else content.model).path


def _hosts(documents: Sequence[Document]) -> list[Host]:
    """The machines, each once: hosts that differ in more than the time."""
    found: dict[tuple[object, ...], Host] = {}
    for document in documents:
        host = host_of(document)
        found.setdefault((host.processor, host.cores, host.memory, host.system, *host.devices), host)
    return list(found.values())


def _work(file: str, r: BenchReport) -> Work:
    return Work(file, r.prompt, r.prompt_tokens, r.max_tokens, r.warmup, r.iterations, r.threads, r.ctx)


def _missing(column: Column) -> list[str]:
    return [metric.title for metric in METRICS if metric.key not in column.values]


def _summary(made: Sequence[Column], advice: Sequence[Recommendation], same: Equivalence) -> list[str]:
    """The key findings, in two or three sentences."""
    formats = list(dict.fromkeys(c.format for c in made))
    said = [f"{_counted(len(made), 'model')} in {_counted(len(formats), 'format')} ({', '.join(formats)})."]
    by_label: dict[str, list[str]] = {}
    for a in advice:
        if a.choice is not None:
            number = BY_KEY[a.metric].said(a.numbers[a.choice])
            by_label.setdefault(a.choice, []).append(f"{a.rule} ({number})")
    chosen = [f"{label} by {', '.join(rules)}" for label, rules in by_label.items()]
    none = [a.rule for a in advice if a.choice is None]
    if chosen:
        said.append(f"Ahead by the rules below: {'; '.join(chosen)}." + _undecided(none))
    else:
        said.append("By the rules below no model is ahead of the others.")
    said.append(_same(same))
    return said


def _undecided(rules: Sequence[str]) -> str:
    return f" No choice by {', '.join(rules)}." if rules else ""


def _same(same: Equivalence) -> str:
    """Whether the models say the same, and by what; another question might have another answer."""
    if same.verdict is None:
        return "Whether the models say the same was not measured."
    asked = list(dict.fromkeys(finding.asked for finding in same.findings))
    traced = sum(prompted.same is not None for prompted in same.first_tokens)
    asked += [f"the same first token in traces of {_counted(traced, 'prompt')}"] if traced else []
    return f"{'All' if same.verdict else 'Not all'} that was asked of their outputs holds: {'; '.join(asked)}."


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" + "s" * (n != 1)


def _observations(made: Sequence[Column], same: Equivalence) -> Iterator[str]:
    """What the numbers show, and what keeps them from showing more."""
    for column in made:
        if column.converted and "prepare" in column.values:
            took = BY_KEY["prepare"].said(column.values["prepare"].number)
            yield f"{column.label} was made into GGUF before it could run, in {took}; from the cache it starts sooner."
    yield from _larger(made)
    for column in made:
        p50, p99 = (column.values.get(k) for k in ("p50", "p99"))
        if p50 and p99 and p99.number > 2 * p50.number:
            yield (
                f"{column.label}: one token in a hundred waited {p99.number / p50.number:.1f} times as long as the "
                "median: the machine did other things as well, or its speed changes."
            )
        if 0 < column.samples < FEW:
            yield f"{column.label}: its percentiles are of {column.samples} gaps: P99 is close to the longest."
    apart = conditions_apart(made, "throughput")
    if apart:
        yield f"The models were measured under different conditions and cannot be ranked: {apart}."
    for file in same.broken:
        yield f"{file}: the pass ends in NaN."


def _larger(made: Sequence[Column]) -> Iterator[str]:
    """What a larger file means for speed, between the smallest and the largest on the same device."""
    known = [c for c in made if {"file_size", "throughput"} <= c.values.keys() and c.device == "CPU"]
    if len(known) < 2 or conditions_apart(known, "throughput"):
        return
    small, large = (f(known, key=lambda c: c.values["file_size"].number) for f in (min, max))
    a, b = (c.values["file_size"].number for c in (small, large))
    x, y = (c.values["throughput"].number for c in (small, large))
    if b > 1.05 * a:
        how = f"{x / y:.2f} times as fast" if x >= y else f"{y / x:.2f} times slower"
        yield f"{large.label} is {b / a:.1f} times as large as {small.label}, which answers {how}."
