"""`hub run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import emit
from hub.errors import UsageError
from hub_runtime.commands import options as o

if TYPE_CHECKING:
    from hub_runtime.answering import Job


@o.takes
def run(
    model: o.ModelPath,
    *,
    text: Annotated[str | None, typer.Argument(metavar="[PROMPT]", help="What to continue; or --prompt.")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="What to continue; - reads stdin.")] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            "--batch", "--batch-jsonl", metavar="FILE", help="Answer every line: a prompt, or JSON with a prompt."
        ),
    ] = None,
    parallel: Annotated[int | None, typer.Option(min=1, help="How many of a batch at once; 8 by default.")] = None,
    raw: o.Raw = False,
    system: o.System = None,
    max_tokens: o.MaxTokens = 128,
    stop: o.Stop = None,
    sampling: o.Sampling,
    compute: o.Compute,
    weights: o.Weights,
    stream: Annotated[
        bool | None, typer.Option("--stream/--no-stream", help="Print text as it comes; by default on a terminal.")
    ] = None,
    quiet: o.Quiet = False,
    as_json: o.Json = False,
) -> int:
    """Answer a prompt with a model of any format; --raw continues it as it stands."""
    from hub_runtime.answering import Asked, Job

    if as_json and (stream or quiet):
        raise UsageError(f"--{'stream' if stream else 'quiet'} has no effect with --json")
    common = Asked("", sampling.settings(), max_tokens, tuple(stop or ()))
    job = Job(weights.wanted(model), common, compute.threads, compute.ctx, raw=raw, system=system)
    if batch is not None:
        return _batch(job, batch, (text, prompt), stream, parallel, quiet, as_json)
    if parallel is not None:
        raise UsageError("--parallel has no effect without --batch")
    return _one(job, _prompt(text, prompt), stream, quiet, as_json)


def _prompt(text: str | None, prompt: str | None) -> str:
    """The prompt, from where it was given."""
    if text is not None and prompt is not None:
        raise UsageError("the prompt is given twice")
    found = text if prompt is None else prompt
    if found is None and sys.stdin.isatty():
        raise UsageError("no prompt", hint="-p TEXT, or --batch FILE")
    return sys.stdin.read() if found in (None, "-") else str(found)


def _one(job: Job, prompt: str, stream: bool | None, quiet: bool, as_json: bool) -> int:
    from dataclasses import replace

    from hub_runtime.answering import answer_one
    from hub_runtime.commands.printing import Printer, summary

    streaming = not as_json and (sys.stdout.isatty() if stream is None else stream)
    printer = Printer()
    with o.loading(job.want, quiet=quiet or as_json) as loaded:
        asked = replace(job.common, prompt=prompt)
        report = answer_one(loaded, job, asked, printer.write if streaming else None)
    if as_json:
        emit("run", report)
        return 0
    if not streaming:
        printer.write(report.text)
    printer.end()
    if not quiet:
        o.tell(summary(report, report.timing))
    return 0


def _batch(
    job: Job, file: Path, prompts: tuple[str | None, ...], stream: bool | None, parallel: int | None, quiet: bool,
    as_json: bool,
) -> int:  # fmt: skip
    from hub_runtime.answering import answer_all
    from hub_runtime.batch_file import read_batch
    from hub_runtime.commands.printing import Printer, batch_summary

    if any(p is not None for p in prompts):
        raise UsageError("--batch brings the prompts; one beside it has no effect")
    if stream:
        raise UsageError("--stream has no effect with --batch: answers are printed whole, in order")
    asked = read_batch(file, job.common)
    with o.loading(job.want, quiet=quiet or as_json) as loaded:
        report = answer_all(loaded, job, asked, parallel or 8)
    if as_json:
        emit("batch", report)
        return 0
    printer = Printer()
    for number, answer in enumerate(report.answers, 1):
        if not quiet:
            printer.write(f"[{number}] {answer.prompt}\n")
        printer.write(answer.text)
        printer.end()
    if not quiet:
        o.tell(batch_summary(report))
    return 0
