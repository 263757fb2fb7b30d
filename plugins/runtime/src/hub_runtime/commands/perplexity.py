"""`hub perplexity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.cli import pairs
from hub.errors import UsageError
from hub_runtime.commands import options as o
from hub_runtime.commands import reporting as r


@o.takes
def perplexity(
    model: o.ModelPath,
    *,
    text: Annotated[Path, typer.Option("--text", "-f", metavar="FILE", help="The text to score, UTF-8.")],
    window: Annotated[
        int | None,
        typer.Option(
            "--ctx", "--ctx-size", "--window", "-c", min=4, help="Tokens that are read together; 512 by default."
        ),
    ] = None,
    output: r.Output = None,
    threads: o.Threads = None,
    weights: o.Weights,
    as_json: o.Json = False,
) -> None:
    """Measure how surprised a model is by a text.

    As llama.cpp's own tool measures it: windows follow each other and the second half of each is scored.
    """
    from hub_runtime.measure import perplexity as measured

    if not text.is_file():
        raise UsageError("no such text", file=text)
    content = o.read_text(text, "--text")
    r.writable(output)
    with o.loading(weights.wanted(model), quiet=as_json) as loaded, r.ticking("window") as tick:
        report = measured(model, loaded, text, content, window, threads, tick)
    r.publish("perplexity", report, {}, output, as_json=as_json)
    if not as_json:
        value = "too large" if report.perplexity is None else f"{report.perplexity:.4f}"
        error = "" if report.perplexity_error is None else f" +- {report.perplexity_error:.4f}"
        pairs(
            [
                ("perplexity", f"{value}{error}"),
                ("mean loss", f"{report.mean_nll:.6f} nats over {report.scored} tokens"),
                ("windows", f"{report.windows} of {report.window} tokens; {report.rule}"),
            ]
        )
