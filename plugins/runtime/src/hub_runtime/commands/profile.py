"""`hub profile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hub.cli import say, table
from hub.errors import UsageError
from hub_runtime.commands import options as o
from hub_runtime.commands import reporting as r

if TYPE_CHECKING:
    from hub_runtime.measure import Phase, ProfileReport

Ms: TypeAlias = float | None


@o.takes
def profile(
    model: o.ModelPath,
    *,
    prompt: o.Prompt = None,
    max_tokens: o.MaxTokens = 32,
    iterations: Annotated[int, typer.Option("--iterations", "--measure", min=1, help="Answers that count.")] = 10,
    warmup: Annotated[int, typer.Option(min=0, help="Answers before, that do not.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write JSON; a flame chart to .svg, a page to .html."),
    ] = None,
    assert_p50: Annotated[Ms, typer.Option(min=0.0, metavar="MS", help="Most P50 of the gap before a token.")] = None,
    assert_p95: Annotated[Ms, typer.Option(min=0.0, metavar="MS", help="Most P95 of it.")] = None,
    assert_p99: Annotated[Ms, typer.Option(min=0.0, metavar="MS", help="Most P99 of it.")] = None,
    assert_first_token: Annotated[
        Ms, typer.Option(min=0.0, metavar="MS", help="Most P95 of the time to the first token.")
    ] = None,
    assert_throughput: Annotated[
        float | None, typer.Option(min=0.0, metavar="N", help="Least P50 of generated tokens per second.")
    ] = None,
    assert_memory: Annotated[
        float | None, typer.Option(min=0.0, metavar="MIB", help="Most resident memory at its peak.")
    ] = None,
    compute: o.Compute,
    weights: o.Weights,
    as_json: o.Json = False,
) -> int:
    """Show where the time of an answer goes.

    Latencies with P50, P95 and P99 first, untouched; then one answer with every node timed, by layer and by operation.
    Exit code 1 when an --assert is not kept.
    """
    from hub_runtime.measure import PROMPT, BenchSettings, Limit, flame_chart, profile_page
    from hub_runtime.measure import profile as profiled

    given = {
        "p50": assert_p50, "p95": assert_p95, "p99": assert_p99, "first-token": assert_first_token,
        "throughput": assert_throughput, "memory": assert_memory,
    }  # fmt: skip
    limits = [Limit(name, value) for name, value in given.items() if value is not None]
    if max_tokens == 1 and any(limit.measure in ("p50", "p95", "p99", "throughput") for limit in limits):
        raise UsageError("with --max-tokens 1 there is no gap between tokens to assert anything of")
    r.writable(output)
    settings = BenchSettings(
        PROMPT if prompt is None else prompt, max_tokens, iterations, warmup, compute.threads, compute.ctx
    )
    with o.loading(weights.wanted(model), quiet=as_json) as loaded, r.ticking("answer") as tick:
        report = profiled(model, loaded, settings, limits, tick)
    views = {".svg": lambda: flame_chart(report), **dict.fromkeys((".html", ".htm"), lambda: profile_page(report))}
    r.publish("profile", report, views, output, as_json=as_json)
    if not as_json:
        _print(report)
    return int(not report.passed)


def _print(report: ProfileReport) -> None:
    rows = [
        r.row("first token, ms", report.first_token_ms),
        r.row("further token, ms", report.token_ms, 2),
        r.row("whole answer, ms", report.total_ms),
        r.row("generation, tokens/s", report.generation_tokens_per_second),
    ]
    table(r.ROW_HEAD, rows, " >>>>>>")
    for phase in report.phases:
        _print_phase(phase)
    for a in report.assertions:
        said = "not measured" if a.measured is None else f"{a.measured:.3f}"
        say(f"{'PASS' if a.passed else 'FAIL'}: {a.name} is {said}, the limit {a.limit:g}")


def _print_phase(phase: Phase) -> None:
    say()
    say(
        f"{phase.name}: {phase.ms:.2f} ms a pass (medians of {phase.passes}), {phase.untraced_ms:.2f} ms without timing"
    )
    rows = [(s.name, f"{s.ms:.2f}", f"{s.share:.1%}", s.count) for s in phase.operations[:12]]
    table(("operation", "ms", "share", "nodes"), rows, " >>>")
    slowest = sorted(phase.layers, key=lambda s: -s.ms)[:8]
    layers = [(s.name, f"{s.ms:.2f}", f"{s.share:.1%}", s.nodes[0].name) for s in slowest]
    table(("dearest layers", "ms", "share", "most of it"), layers, " >> ")
