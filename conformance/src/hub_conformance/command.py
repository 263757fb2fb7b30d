"""`hub conformance`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import emit, say, table
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub_conformance.runner import Result, Verdict


def conformance(
    formats: Annotated[list[str] | None, typer.Argument(metavar="FORMAT...", help="All installed by default.")] = None,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write report.json, junit.xml, FORMAT.md here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace reports that are there already.")] = False,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="TEST", help="Only this test, or a glob.")] = None,
    disable: Annotated[
        list[str] | None, typer.Option("--disable", metavar="TEST=REASON", help="Leave this test out, and say why.")
    ] = None,
    limit: Annotated[
        float | None, typer.Option("--limit", min=0.1, metavar="SECONDS", help="No test takes longer; 20 by default.")
    ] = None,
    list_tests: Annotated[bool, typer.Option("--list", help="Show the tests and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Hold formats to the contract: 0 conformant, 1 not, 2 could not run.

    Each format is tested in a process of its own: what it writes comes back, from and to every other format too, in
    bounded memory, and nothing happens beside.
    """
    from hub_conformance import runner

    if force and output is None:
        raise UsageError("--force has no effect without --output")
    wanted = runner.Wanted(tuple(only or ()), _reasons(disable or ()), limit=limit)
    names = list(dict.fromkeys(formats or runner.installed()))
    if not names:
        raise UsageError("no format is installed")
    if list_tests:
        if output is not None:
            raise UsageError("--output has no effect with --list")
        _list({name: runner.listed(name, wanted) for name in names}, as_json)
        return 0
    _check_free(output, force)
    verdicts = runner.run(names, wanted, None if as_json else _tell)
    if output is not None:
        runner.publish(output, verdicts, overwrite=force)
    if as_json:
        emit("conformance", {k: v for k, v in runner.document(verdicts).items() if k != "schema"})
    else:
        _show(verdicts)
    return int(not all(verdict.conformant for verdict in verdicts))


def _reasons(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    wrong = [text for text, (name, _, reason) in zip(texts, pairs, strict=True) if not name or not reason.strip()]
    if wrong:
        raise UsageError(f"--disable takes TEST=REASON, not {wrong[0]!r}")
    return {name: reason.strip() for name, _, reason in pairs}


def _list(found: Mapping[str, Sequence[str]], as_json: bool) -> None:
    if as_json:
        emit("conformance-list", {"tests": found})
        return
    for name, tests in found.items():
        for test in tests:
            say(f"{name} {test}")


def _check_free(output: Path | None, force: bool) -> None:
    """`UsageError` before an hour's work, not after it."""
    if output is not None and output.exists() and not output.is_dir():
        raise UsageError("is no folder", file=output)
    if output is not None and (output / "report.json").exists() and not force:
        raise UsageError("holds a report already", file=output, hint="--force replaces it")


def _tell(result: Result) -> None:
    """Say at once what stands against a format."""
    if result.outcome in {"FAIL", "ERROR"}:
        say(f"{result.outcome} {result.test}: {result.reason}")


def _show(verdicts: Sequence[Verdict]) -> None:
    from hub_conformance import runner

    for verdict in verdicts:
        table([verdict.format, *runner.OUTCOMES], runner.rows(verdict), " >>>>>")
        for outcome in ("declared", "disabled"):
            reasons = Counter(r.reason for r in verdict.results if r.outcome == outcome)
            table(["", ""], ((f"{outcome} {count} x", reason) for reason, count in reasons.items()), ">")
        say(runner.summary(verdict))
        say()
