"""`hub validate`: structure and content."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.cli import _output as out
from hub.cli._arguments import Json, ModelPath


def validate(
    model: ModelPath,
    strict: Annotated[bool, typer.Option("--strict", help="A warning is a failure too.")] = False,
    as_json: Json = False,
) -> int:
    """Validate the structure and every value.

    NaN, Inf, zeros, dead rows, constants. Exit code 1 when the model is invalid.
    """
    from hub.cli._progress import progress_bar
    from hub.inspection import counted
    from hub.verdicts import validate as run

    with progress_bar() as progress:
        report = run(model, strict=strict, progress=progress)
    if as_json:
        out.emit("validate", report)
        return int(not report.valid)
    out.table(("check", "", "detail"), [(c.name, c.outcome, c.detail) for c in report.checks])
    for one in report.checks:
        for remark in one.remarks:
            out.say(f"{remark.severity}: {remark.tensor}: {remark.detail}")
    s = report.score
    verdict = "VALID" if report.valid else "INVALID"
    ran = f"{s.passed} of {s.ran} checks passed, {s.skipped} of {s.total} skipped"
    out.say(f"{verdict}: {ran}, {counted(s.warnings, 'warning')}")
    return int(not report.valid)
