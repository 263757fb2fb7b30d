"""The sections of a report, in the order of the course: summary, methodology, results, recommendations, lessons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hub_runtime.measure import Host
from hub_runtime.report._blocks import Bars, Block, Items, Section, Table, Text
from hub_runtime.report._columns import METRICS, Column, Metric
from hub_runtime.report._matrix import Cell
from hub_runtime.report._report import Report, Work

SHOWN = 20
MISSING = "not measured"


def sections(report: Report) -> list[Section]:
    """All of them."""
    return [
        Section("Executive Summary", [Text(" ".join(report.summary))]),
        Section("Methodology", list(_methodology(report))),
        Section("Results Table", list(_results(report))),
        Section("Output Equivalence", list(_equivalence(report))),
        Section("Format Recommendations", list(_recommendations(report))),
        Section("Cost and Performance", list(_matrix(report.matrix))),
        Section(
            "Lessons Learned", [Items(report.observations) if report.observations else Text("None by the numbers.")]
        ),
        Section("Sources", list(_sources(report))),
    ]


def _methodology(report: Report) -> Iterator[Block]:
    yield Items([_host(host) for host in report.hosts])
    if report.work:
        yield Table(
            ("Document", "Prompt tokens", "Answer tokens", "Answers", "Warm-up", "Threads", "Positions"),
            [[w.file, *map(str, _numbers(w))] for w in report.work],
        )
        prompts = dict.fromkeys(w.prompt for w in report.work)
        yield Items([f"Prompt: {prompt[:200]!r}" for prompt in prompts])
    yield Items([
        "Latency is the wait for each token after the first, of all answers together; percentiles by "
        f"{report.percentile_rule}.",
        "First token: from handing in the prompt's tokens to the first token of the answer (median). Throughput: "
        "tokens a second behind it (median).",
        "Load time is llama.cpp's loading. Before it the file is checked and, unless it is a GGUF, made into one or "
        "found in the cache.",
        "Peak memory is the most resident memory while answering; memory-mapped weights count once they were touched.",
    ])  # fmt: skip


def _numbers(w: Work) -> tuple[int, ...]:
    return w.prompt_tokens, w.max_tokens, w.iterations, w.warmup, w.threads, w.ctx


def _host(host: Host) -> str:
    memory = "unknown memory" if host.memory is None else f"{host.memory / 2**30:.1f} GiB of memory"
    return (
        f"{host.processor or host.machine}, {host.cores} cores, {memory}, {', '.join(host.devices)}; {host.system}; "
        f"Python {host.python}, hub {host.hub}, hub-runtime {host.hub_runtime}, llama-cpp-python "
        f"{host.llama_cpp_python} ({host.llama_features}); {host.started}"
    )


def _results(report: Report) -> Iterator[Block]:
    made = report.columns
    yield Table(("Metric", *(c.label for c in made)), [[m.title, *(_said(m, c) for c in made)] for m in METRICS])
    for metric in METRICS:
        rows = [(c.label, c.values[metric.key].number, _said(metric, c)) for c in made if metric.key in c.values]
        if len(rows) > 1:
            yield Bars(f"{metric.title}, {'more' if metric.more_is_better else 'less'} is better", rows)
    for column in made:
        if column.operations:
            rows = [(name, ms, f"{ms:.2f} ms") for name, ms in column.operations]
            yield Bars(f"{column.label}: what a token takes, by operation, every node timed", rows)
    if report.missing:
        yield Text("Not measured:")
        yield Items([f"{m.label}: {', '.join(m.metrics)}; {m.command}" for m in report.missing])


def _said(metric: Metric, column: Column) -> str:
    value = column.values.get(metric.key)
    return MISSING if value is None else metric.said(value.number)


def _equivalence(report: Report) -> Iterator[Block]:
    same = report.equivalence
    if same.verdict is None:
        yield Text("Nothing was compared: hub compare A B --output FILE does, and so do two traces of one prompt.")
    else:
        yield Text("All comparisons agree." if same.verdict else "Not all comparisons agree.", bad=not same.verdict)
    if same.findings:
        rows = [[f"{f.model} against {f.reference}", f.asked, f.found, _yes(f.same)] for f in same.findings]
        yield Table(("Models", "Asked", "Found", "Holds"), rows, prose=True)
    for prompted in same.first_tokens:
        verdict = {None: "one model: nothing is compared", True: "the same", False: "NOT the same"}[prompted.same]
        yield Text(f"First token behind {prompted.prompt[:80]!r} ({prompted.tokens} tokens read): {verdict}")
        rows = [
            [s.model, "-" if s.argmax is None else str(s.argmax), repr(s.text or ""), s.file] for s in prompted.said
        ]
        yield Table(("Model", "Argmax", "Text", "Document"), rows, prose=True)


def _yes(same: bool) -> str:
    return "yes" if same else "NO"


def _recommendations(report: Report) -> Iterator[Block]:
    yield Table(
        ("For", "Take", "Rule", "Because"),
        [[a.purpose, a.choice or "no choice", a.said, a.why] for a in report.recommendations],
        prose=True,
    )
    for label in dict.fromkeys(c.label for c in report.columns):
        won = [a.purpose for a in report.recommendations if a.choice == label]
        yield Text(f"{label}: {'; '.join(won) if won else 'no rule takes it'}.")


def _matrix(cells: Sequence[Cell]) -> Iterator[Block]:
    yield Table(
        ("Target", "Model", "Throughput", "First token", "Peak memory", "An hour", "A million tokens"),
        [_row(cell) for cell in cells],
    )
    yield Items([f"{c.target.upper()}: {c.how}" for c in cells if c.model is None])
    if any(c.model is not None and c.price is None for c in cells):
        yield Text("No price was stated where a cost is missing: --price cpu=PER_HOUR states it.")
    if any(c.per_million is not None for c in cells):
        yield Text("A million tokens cost the price of the time that generating them takes, one answer at a time.")


def _row(c: Cell) -> list[str]:
    if c.model is None:
        return [c.target.upper(), MISSING, *"-----"]
    return [
        c.target.upper(),
        c.model,
        _number(c.tokens_per_second, "{:,.1f} tok/s"),
        _number(c.first_token_ms, "{:,.1f} ms"),
        _number(c.memory and c.memory / 1e6, "{:,.1f} MB"),
        _number(c.price, "{:g}"),
        _number(c.per_million, "{:,.4g}"),
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _sources(report: Report) -> Iterator[Block]:
    yield Table(("Document", "Schema", "Model"), [[u.file, u.schema, u.model] for u in report.used], prose=True)
    yield Items([f"{file}: a later measurement of its kind counts" for file in report.replaced])
    if report.strangers:
        yield Text("JSON files that are not used:")
        yield Items([f"{s.file}: {s.reason}" for s in report.strangers[:SHOWN]])
    if len(report.strangers) > SHOWN:
        yield Text(f"and {len(report.strangers) - SHOWN} more.")
