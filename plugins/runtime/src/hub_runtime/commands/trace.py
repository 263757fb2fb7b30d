"""`hub trace`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import say, table
from hub.errors import UsageError
from hub_runtime.commands import options as o
from hub_runtime.commands import reporting as r

if TYPE_CHECKING:
    from hub_runtime.loading import Loaded
    from hub_runtime.measure import TraceComparison, TraceReport


@o.takes
def trace(
    model: o.ModelPath,
    *,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="What the model reads.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "--trace-output", "-o", metavar="FILE", help="Write JSON to FILE, a page if it ends in .html."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with a heat map to FILE.")] = None,
    raw: o.Raw = False,
    memory_profile: Annotated[bool, typer.Option("--memory-profile", help="Add where memory goes.")] = False,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare", "--reference", metavar="OTHER", help="Trace another model too and find where they part."
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="X", help="With --compare: apart by X of its length is no departure."),
    ] = None,
    compute: o.Compute,
    weights: o.Weights,
    as_json: o.Json = False,
) -> int:
    """Look at one pass, layer by layer.

    A real pass over the prompt: statistics and time of each layer, what comes next, and where the first NaN arises.
    Exit code 1 when there is a NaN, or when the models of --compare part.
    """
    from hub_runtime.measure import TraceSettings, compare_traces, comparison_page, trace_page
    from hub_runtime.measure import trace as traced

    if tolerance is not None and compare is None:
        raise UsageError("--tolerance has no effect without --compare")
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise UsageError("--html writes .html", file=html)
    r.writable(output, html)
    want = weights.wanted(model)
    settings = TraceSettings(prompt, compute.threads, compute.ctx, memory_profile, raw)
    if compare is None:
        with o.loading(want, quiet=as_json) as loaded:
            report = traced(model, loaded, settings)
        r.publish("trace", report, r.pages(lambda: trace_page(report)), output, html, as_json=as_json)
        if not as_json:
            _print(report)
        return int(report.first_nan is not None)

    def loader(path: Path) -> AbstractContextManager[Loaded]:
        return o.loading(replace(want, path=path), quiet=as_json)

    both = compare_traces(loader, model, compare, settings, tolerance or 0.0)
    r.publish("trace-comparison", both, r.pages(lambda: comparison_page(both)), output, html, as_json=as_json)
    if not as_json:
        _print_both(both)
    return int(both.first_departure is not None)


def _print(report: TraceReport) -> None:
    from hub_runtime.measure import NODE_HEAD, node_cells

    nodes = [t for t in (report.embedding, *report.layers, report.norm, report.logits) if t is not None]
    table(NODE_HEAD, [node_cells(t) for t in nodes], " >>>>>>>>>>")
    say()
    template = " with the chat template" if report.template else ""
    where = ", ".join(report.host.devices)
    say(f"{len(report.tokens)} tokens{template} in {report.pass_ms:.1f} ms with tracing, on {where}")
    if report.first_nan is not None:
        n = report.first_nan
        say(f"first NaN: {n.node} ({n.op}), row {n.row}, column {n.column}, from {', '.join(n.sources)}")
    if report.first_token is None:
        say("the logits are not finite: nothing comes next")
    else:
        say("what comes next:")
        rows = [(repr(c.text), c.token, f"{c.logit:.4f}", f"{c.probability:.4f}") for c in report.first_token.top]
        table(("text", "token", "logit", "probability"), rows, " >>>")
    if report.memory is not None:
        m = report.memory
        parts = (("weights", m.weights), ("KV cache", m.kv_cache), ("state", m.state), ("compute", m.compute))
        said = ", ".join(f"{name} {r.mib(n)}" for name, n in (*parts, ("output", m.output)) if n)
        say(f"memory: {said}; peak {r.mib(m.resident.peak)} resident")


def _print_both(both: TraceComparison) -> None:
    from hub_runtime.measure import verdict

    rows = [(n.node, "equal" if n.equal else "", *map(_number, (n.cosine, n.relative, n.max_abs))) for n in both.nodes]
    table(("node", "bits", "cosine", "relative", "max_abs"), rows, "  >>>")
    say(verdict(both))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.9g}"
