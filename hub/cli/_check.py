"""`hub check`: the ten stages."""

from __future__ import annotations

from hub.cli import _output as out
from hub.cli._arguments import Json, ModelPath


def check(model: ModelPath, as_json: Json = False) -> int:
    """Check a model in ten stages.

    From its magic bytes to inference: PASS, FAIL or SKIP, each with its reason. Exit code 1 when one fails.
    """
    from hub.verdicts import check as run

    report = run(model)
    if as_json:
        out.emit("check", report)
    else:
        rows = [(f"{n}.", s.title, s.outcome, s.detail) for n, s in enumerate(report.stages, 1)]
        out.table(("", "stage", "", "detail"), rows, ">")
        out.say(
            f"{report.outcome}: {report.passed} passed, {report.failed} failed, {report.skipped} skipped"
            f" of {report.total} ({report.format})"
        )
    return int(report.outcome == "FAIL")
