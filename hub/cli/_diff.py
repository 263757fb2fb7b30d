"""`hub diff`: two models compared fact by fact and value by value."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import _output as out
from hub.cli._arguments import Filter, Json, model_path

if TYPE_CHECKING:
    from hub.verdicts import DiffReport, TensorDifference


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A model: a file, a folder, or a name.", parser=model_path)],
    b: Annotated[
        Path, typer.Argument(metavar="B", help="The one to compare it with, in any format.", parser=model_path)
    ],
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, metavar="X", help="Values that differ by X at most are equal.")
    ] = 0.0,
    pattern: Filter = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, metavar="N", help="List N differing tensors; all are compared.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Compare two models by value.

    Configuration, tokenizer, metadata and every tensor, whatever the formats. Exit code 1 when they differ.
    """
    from hub.cli._progress import progress_bar
    from hub.opening import loading
    from hub.verdicts import diff as run

    with loading(a), loading(b), progress_bar() as progress:
        report = run(a, b, tolerance=tolerance, pattern=pattern, limit=limit, progress=progress)
    if as_json:
        out.emit("diff", report)
    else:
        _print(report)
    return int(not report.equal)


def _print(report: DiffReport) -> None:
    for fact in report.facts or ():
        mark = "differs" if fact.counts else "remark"
        out.say(f"{mark}: {fact.section}.{fact.key}: {_said(fact.a)} became {_said(fact.b)}")
    print_tensors(report)
    out.say("EQUAL" if report.equal else f"DIFFERENT: {report.reason}")


def print_tensors(report: DiffReport) -> None:
    """Print the tensors that the report lists, and how many were compared."""
    from hub.inspection import counted

    head = ("tensor", "verdict", "max_abs", "rmse", "cosine", "")
    if report.tensors:
        out.table(head, [_cells(t) for t in report.tensors], "  >>>")
    if report.omitted:
        out.say(f"and {report.omitted} more")
    c = report.counts
    same = f"{c.same_bytes} same bytes, {c.equal_values} equal values, {c.within_tolerance} within tolerance"
    out.say(
        f"{counted(c.compared, 'tensor')} compared ({c.values:,} values): {same}, {c.differ} differ; "
        f"{c.only_in_a} only in A, {c.only_in_b} only in B"
    )


def _said(value: object) -> str:
    return "nothing" if value is None else repr(value)


def _cells(t: TensorDifference) -> list[object]:
    numbers = ["" if v is None else f"{v:.6g}" for v in (t.max_abs, t.rmse, t.cosine)]
    return [t.name, t.verdict, *numbers, _detail(t)]


def _detail(t: TensorDifference) -> str:
    said = [t.detail] if t.detail else []
    said += [f"{t.different} different"] if t.different else []
    said += [f"first at {t.first[0]}: {t.first[1]:g} became {t.first[2]:g}"] if t.first else []
    bad = ((t.new_nan, "new NaN"), (t.new_inf, "new Inf"), (t.lost, "NaN or Inf lost"))
    return ", ".join(said + [f"{n} {what}" for n, what in bad if n])
