"""What the measuring commands share: their report in a file or on stdout, and a sign of life meanwhile."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from hub.cli import document
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub_runtime.measure import Summary, Tick

Output: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the JSON document to FILE, replacing it.")
]


def writable(*files: Path | None) -> None:
    """`UsageError` when one of `files` cannot be written: said before the work, not after it."""
    for file in filter(None, files):
        if file.is_dir():
            raise UsageError("is a folder; a file is to be written", file=file)
        if not file.parent.is_dir():
            raise UsageError("cannot be written: its folder does not exist", file=file)
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise UsageError("cannot be written: no permission", file=file)


def save(file: Path, text: str) -> None:
    """Write `text` to `file`, whole or not at all."""
    if file.exists() and not file.is_file():  # a pipe or device takes what comes
        file.write_text(text, encoding="utf-8")
        return
    from hub.pipeline import write_whole

    write_whole(file, text.encode())


def rendered(command: str, report: Any) -> str:
    """The JSON document of `command`, as `--json` prints it."""
    text = json.dumps({"schema": f"hub.{command}/1", **document(report)}, allow_nan=False, indent=1)
    return f"{text}\n"


Views = Mapping[str, Callable[[], str]]  # what a file of an extension holds, where it is not JSON


def publish(command: str, report: Any, views: Views, *files: Path | None, as_json: bool) -> None:
    """Put the report where it was asked for: into `files`, as their extensions say, JSON for others; and on stdout."""
    text = rendered(command, report)
    for file in filter(None, files):
        view = views.get(file.suffix.lower())
        save(file, text if view is None else view())
    if as_json:
        print(text, end="")


def pages(make: Callable[[], str]) -> Views:
    """Views of a report that can be a page."""
    return dict.fromkeys((".html", ".htm"), make)


@contextmanager
def ticking(what: str) -> Iterator[Tick]:
    """Shows "what 3/10" on a terminal's standard error while the block runs."""

    def tick(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{what} {done}/{total}", end="", file=sys.stderr, flush=True)

    try:
        yield tick
    finally:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def row(name: str, summary: Summary | None, digits: int = 1) -> list[str]:
    """A table's row: the name, and P50, P95, P99, mean, least and most; dashes where there is no sample."""
    if summary is None:
        return [name, *"------"]
    values = (summary.p50, summary.p95, summary.p99, summary.mean, summary.min, summary.max)
    return [name, *(f"{v:.{digits}f}" for v in values)]


ROW_HEAD = ("", "P50", "P95", "P99", "mean", "min", "max")


def mib(nbytes: int | None) -> str:
    """Bytes in MiB, for people."""
    return "unknown" if nbytes is None else f"{nbytes / 2**20:.1f} MiB"
