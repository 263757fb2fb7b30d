"""`hub compare`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import model_path, say, table
from hub.errors import UsageError
from hub_runtime.commands import options as o
from hub_runtime.commands import reporting as r

if TYPE_CHECKING:
    from hub_runtime.loading import Loaded
    from hub_runtime.measure import CompareJob, CompareReport, ModelComparison, Rules

_REQUIRED = ("tokens", "first-token")


@o.takes
def compare(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="A B [C...]", help="Models; all are held against the first.", parser=model_path),
    ],
    *,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prompts: one a line, or JSON lines with a prompt.")
    ] = None,
    prompt: Annotated[list[str] | None, typer.Option("--prompt", "-p", help="A prompt (repeatable).")] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare what they expect along this text too, UTF-8.")
    ] = None,
    raw: o.Raw = False,
    max_tokens: o.MaxTokens = 32,
    require: Annotated[
        list[str] | None, typer.Option(metavar="tokens|first-token", help="What must be the same (repeatable).")
    ] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, metavar="X", help="Least share of positions with the same likeliest token."),
    ] = None,
    max_mean_kl: Annotated[
        float | None, typer.Option(min=0.0, metavar="NATS", help="Most mean divergence from the first model.")
    ] = None,
    output: r.Output = None,
    compute: o.Compute,
    placed: o.Placed,
    as_json: o.Json = False,
) -> int:
    """Compare what models of any format say.

    Greedy answers to the same prompts, then what each model expects at every position of the first one's answer.
    Exit code 1 when what is asked does not hold: --require, --min-agreement and --max-mean-kl, or, when none is given,
    the same greedy tokens for every prompt.
    """
    from hub_runtime.measure import CompareJob

    rules = _rules(require, min_agreement, max_mean_kl)
    content = None if text is None else o.read_text(text, "--text")
    job = CompareJob(_prompts(prompts, prompt), max_tokens, compute.threads, compute.ctx, content, raw)
    return compared(models, job, rules, placed, output, as_json=as_json)


def compared(
    models: Sequence[Path], job: CompareJob, rules: Rules, placed: o.Placed, output: Path | None, *, as_json: bool
) -> int:
    """Compare, print and keep what was found; the exit code."""
    from hub_runtime.measure import compare_models

    r.writable(output)
    want = placed.wanted(models[0])

    def loader(path: Path) -> AbstractContextManager[Loaded]:
        return o.loading(replace(want, path=path), quiet=as_json)

    with r.ticking("prompt") as tick:
        report = compare_models(loader, models, job, rules, tick)
    r.publish("compare", report, {}, output, as_json=as_json)
    if not as_json:
        _print(report)
    return int(not report.passed)


def _rules(require: list[str] | None, agreement: float | None, mean_kl: float | None) -> Rules:
    from hub_runtime.measure import Rules

    asked = require or []
    for name in asked:
        if name not in _REQUIRED:
            raise UsageError(f"--require is {' or '.join(_REQUIRED)}, not {name!r}")
    nothing = not asked and agreement is None and mean_kl is None
    return Rules("tokens" in asked or nothing, "first-token" in asked, agreement, mean_kl)


def _prompts(file: Path | None, given: list[str] | None) -> list[str]:
    from hub_runtime.answering import Asked
    from hub_runtime.batch_file import read_batch
    from hub_runtime.engine import Settings
    from hub_runtime.measure import PROMPTS

    if file is not None and given:
        raise UsageError("--prompts and --prompt exclude each other")
    if file is None:
        return given or list(PROMPTS)
    common = Asked("", Settings(), 1)
    asked = read_batch(file, common)
    for one in asked:
        if replace(one, prompt="") != common:
            raise UsageError(f"beside the prompt nothing has an effect in {one.prompt[:40]!r}", file=file)
    return [one.prompt for one in asked]


def _print(report: CompareReport) -> None:
    say(f"reference: {report.reference.path} ({report.reference.format}, {report.reference.description})")
    say(f"asked: {report.rule}; prompts {'in the chat template' if report.template else 'as they stand'}")
    for found in report.comparisons:
        say()
        _print_one(found)
    say()
    say("AGREE" if report.passed else "DIFFER")


def _print_one(found: ModelComparison) -> None:
    say(f"{found.model.path} ({found.model.format}, {found.model.description})")
    head = ("prompt", "tokens", "same", "first", "from", "agreement", "mean KL", "max KL")
    rows = [
        (
            repr(p.prompt[:32]), len(p.ours), "yes" if p.same_tokens else "no", "yes" if p.same_first_token else "no",
            "-" if p.first_difference is None else p.first_difference, f"{p.forced.agreement:.4f}",
            f"{p.forced.mean_kl:.3g}", f"{p.forced.max_kl:.3g}",
        )
        for p in found.prompts
    ]  # fmt: skip
    if found.text is not None:
        t = found.text
        rows.append(("(the text)", t.positions, *"---", f"{t.agreement:.4f}", f"{t.mean_kl:.3g}", f"{t.max_kl:.3g}"))
    table(head, rows, " >>>>>>>")
    say(f"{found.positions} positions: agreement {found.agreement:.6f}, mean KL {found.mean_kl:.4g} nats")
    for a in found.assertions:
        say(f"{'PASS' if a.passed else 'FAIL'}: {a.name} {a.measured:.6g}, asked {a.limit:g}")
