"""`hub demo`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli._output import emit, table
from hub.errors import TargetExists

if TYPE_CHECKING:
    from hub.demo import Step


def demo(
    model: Annotated[Path | None, typer.Option(help="A GGUF file to use instead of SmolLM2-135M-Instruct.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Leave the converted models in this new folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Take a real model through every format and back, verified, and show one table."""
    from hub.demo import run

    if keep is not None:
        if keep.exists():
            raise TargetExists("--keep takes a new folder", file=keep)
        keep.mkdir(parents=True)
        steps = run(keep, model, _tell)
    else:
        with tempfile.TemporaryDirectory(prefix="hub-demo-") as folder:
            steps = run(Path(folder), model, _tell)
    if json:
        emit("demo", {"steps": steps})
    else:
        table(("from", "to", "verified", "size", "time", "throughput"), [_row(step) for step in steps], "   >>>")


def _row(step: Step) -> tuple[str, ...]:
    from rich.filesize import decimal

    seconds = f"{step.seconds:.2f} s" if step.seconds else ""
    rate = f"{decimal(int(step.bytes_per_second))}/s" if step.bytes_per_second else ""
    return step.source, step.target, step.outcome, decimal(step.nbytes), seconds, rate


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
