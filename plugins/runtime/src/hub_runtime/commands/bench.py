"""`hub bench`, which is `hub showcase` too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import pairs, say, table
from hub_runtime.commands import options as o
from hub_runtime.commands import reporting as r

if TYPE_CHECKING:
    from hub_runtime.measure import BenchReport


@o.takes
def bench(
    model: o.ModelPath,
    *,
    prompt: o.Prompt = None,
    max_tokens: o.MaxTokens = 32,
    iterations: Annotated[int, typer.Option("--iterations", "--measure", min=1, help="Answers that count.")] = 5,
    warmup: Annotated[int, typer.Option(min=0, help="Answers before, that do not.")] = 1,
    output: r.Output = None,
    compute: o.Compute,
    weights: o.Weights,
    as_json: o.Json = False,
) -> None:
    """Measure how fast a model of any format answers.

    Load time, prompt and generation speed, time to first token, the gap before each further token with P50, P95 and
    P99, peak memory. All samples are in the JSON document.
    """
    from hub_runtime.measure import PROMPT, BenchSettings
    from hub_runtime.measure import bench as measured

    r.writable(output)
    settings = BenchSettings(
        PROMPT if prompt is None else prompt, max_tokens, iterations, warmup, compute.threads, compute.ctx
    )
    with o.loading(weights.wanted(model), quiet=as_json) as loaded, r.ticking("answer") as tick:
        report = measured(model, loaded, settings, tick)
    r.publish("bench", report, {}, output, as_json=as_json)
    if not as_json:
        _print(report)


def _print(report: BenchReport) -> None:
    m, memory = report.model, report.memory
    sizes = f"{m.parameters:,} parameters, {r.mib(m.weight_bytes)}"
    where = f"{', '.join(report.host.devices)}, {report.threads} threads, {report.ctx} positions"
    pairs(
        [
            ("model", f"{m.path} ({m.format}; {m.description}, {sizes})"),
            ("file", f"{r.mib(m.stored.nbytes)} ({', '.join(filter(None, (m.stored.title, m.stored.quantization)))})"),
            ("on", where),
            ("answers", f"{report.iterations} of {report.max_tokens} tokens to a prompt of {report.prompt_tokens}"),
            ("bridge", f"{m.bridge_ms:.0f} ms{' (converted)' if m.converted else ''}"),
            ("load", f"{m.load_ms:.0f} ms"),
            ("peak memory", f"{r.mib(memory.peak)} resident ({memory.scope})"),
        ]
    )
    say()
    table(
        r.ROW_HEAD,
        [
            r.row("first token, ms", report.first_token_ms),
            r.row("further token, ms", report.token_ms, 2),
            r.row("whole answer, ms", report.total_ms),
            r.row("prompt, tokens/s", report.prompt_tokens_per_second),
            r.row("generation, tokens/s", report.generation_tokens_per_second),
        ],
        " >>>>>>",
    )
