"""`hub rosetta compare-inference`: `hub compare` of two models, in the words of the course."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.cli import model_path
from hub.errors import UsageError
from hub_runtime.commands import options as o
from hub_runtime.commands import reporting as r
from hub_runtime.commands.compare import compared


@o.takes
def compare_inference(
    a: Annotated[Path, typer.Argument(metavar="A", help="A model of any format.", parser=model_path)],
    b: Annotated[Path, typer.Argument(metavar="B", help="The model to hold against it.", parser=model_path)],
    *,
    prompt: Annotated[list[str] | None, typer.Option("--prompt", "-p", help="A prompt (repeatable).")] = None,
    raw: o.Raw = False,
    max_tokens: o.MaxTokens = 32,
    temperature: Annotated[float, typer.Option("--temperature", "--temp", help="0: greedy answers are compared.")] = 0,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, metavar="X", help="Share of positions that may have another likeliest token."),
    ] = None,
    output: r.Output = None,
    compute: o.Compute,
    placed: o.Placed,
    as_json: o.Json = False,
) -> int:
    """Compare what two models say: hub compare.

    Exit code 1 unless the greedy tokens are the same for every prompt, or, with --tolerance, unless the likeliest token
    is the same at all positions of prompt and answer but that share.
    """
    from hub_runtime.measure import PROMPTS, CompareJob, Rules

    if temperature != 0:
        raise UsageError(f"--temperature {temperature:g} would compare luck: greedy answers are compared")
    rules = Rules() if tolerance is None else Rules(tokens=False, agreement=1 - tolerance)
    job = CompareJob(prompt or list(PROMPTS), max_tokens, compute.threads, compute.ctx, raw=raw)
    return compared([a, b], job, rules, placed, output, as_json=as_json)
