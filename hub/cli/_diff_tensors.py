"""`hub rosetta diff-tensors`: the tensors of two models, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import _output as out
from hub.cli._arguments import Filter, Json, model_path
from hub.cli._diff import print_tensors

if TYPE_CHECKING:
    from hub.verdicts import DiffReport


def diff_tensors(
    a: Annotated[Path, typer.Argument(metavar="A", help="A model: a file, a folder, or a name.", parser=model_path)],
    b: Annotated[
        Path, typer.Argument(metavar="B", help="The one to compare it with, in any format.", parser=model_path)
    ],
    mismatches_only: Annotated[
        bool, typer.Option("--mismatches-only", help="List only tensors that differ; all are compared.")
    ] = False,
    show_values: Annotated[
        int, typer.Option("--show-values", min=0, metavar="N", help="Show the first N values that differ in a tensor.")
    ] = 0,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, metavar="X", help="Values that differ by X at most are equal.")
    ] = 0.0,
    pattern: Filter = None,
    as_json: Json = False,
) -> int:
    """Compare two models tensor by tensor, every value.

    Tensors alone; hub diff compares configuration and tokenizer too. Exit code 1 when a tensor differs, is missing or
    extra, or when there is nothing to compare.
    """
    from hub.cli._progress import progress_bar
    from hub.opening import loading
    from hub.verdicts import diff as run

    with loading(a), loading(b), progress_bar() as progress:
        report = run(
            a, b, tolerance=tolerance, pattern=pattern, facts=False, every=not mismatches_only, values=show_values,
            progress=progress,
        )  # fmt: skip
    if as_json:
        out.emit("diff", report)
    else:
        _print(report)
    return int(not report.equal)


def _print(report: DiffReport) -> None:
    print_tensors(report)
    for tensor in report.tensors:
        for index, before, after in tensor.values:
            out.say(f"{tensor.name}[{index}]: {before:g} became {after:g}")
    out.say("EQUAL" if report.equal else f"DIFFERENT: {report.reason}")
