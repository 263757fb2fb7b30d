"""`hub report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import pairs, say, table
from hub.errors import TargetExists, UsageError
from hub_runtime.commands import options as o
from hub_runtime.commands import reporting as r

if TYPE_CHECKING:
    from hub_runtime.report import Report


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with documents of bench, profile, trace ...")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.md", help="Where to; a page of this name beside it.")
    ] = Path("report.md"),
    price: Annotated[
        list[str] | None,
        typer.Option(metavar="TARGET=PER_HOUR", help="What an hour of cpu, gpu or wasm costs you (repeatable)."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a report that is there.")] = False,
    as_json: o.Json = False,
) -> None:
    """Write a report on what was measured: Markdown, and a page with charts.

    From the JSON documents below DIR that hub bench, showcase, profile, trace and compare wrote, and from nothing else:
    what was not measured is said to be missing.
    """
    from hub_runtime.report import gather, html, markdown, prices, report_on, sections

    if output.suffix.lower() != ".md":
        raise UsageError("a report is a .md file, with an .html beside it", file=output)
    page = output.with_suffix(".html")
    r.writable(output, page)
    taken = next((file for file in (output, page) if file.exists()), None)
    if taken is not None and not force:
        raise TargetExists("exists already", file=taken, hint="--force replaces it")
    if force and taken is None:
        raise UsageError("--force has no effect: there is no report to replace", file=output)
    made = report_on(gather(folder), folder, prices(price or ()))
    content = sections(made)
    r.save(output, markdown(content))
    r.save(page, html(content))
    if as_json:
        print(r.rendered("report", made), end="")
    else:
        _print(made, output, page)


def _print(made: Report, output: Path, page: Path) -> None:
    from hub_runtime.report import METRICS

    rows = [
        [m.title, *(m.said(c.values[m.key].number) if m.key in c.values else "not measured" for c in made.columns)]
        for m in METRICS
    ]
    table(("", *(c.label for c in made.columns)), rows, " " + ">" * len(made.columns))
    say()
    for sentence in made.summary:
        say(sentence)
    for stranger in made.strangers:
        say(f"not used: {stranger.file}: {stranger.reason}")
    pairs([("Report", output), ("Page", page)])
