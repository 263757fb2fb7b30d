"""The command `hub bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import Json, ModelPath, emit, pairs, progress_bar

if TYPE_CHECKING:
    from hub_deploy.bundle import Bundled


def bundle(
    model: ModelPath,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to make.")],
    encode: Annotated[
        list[str] | None,
        typer.Option(metavar="RECIPE|ENC[:PATTERN]", help="Re-encode first, as hub convert does (repeatable)."),
    ] = None,
    assume: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="State a missing hyper-parameter (repeatable).")
    ] = None,
    pre: Annotated[str | None, typer.Option(metavar="NAME", help="Pre-tokenizer, when the source names none.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    json: Json = False,
) -> None:
    """Make one file of a model and what runs it.

    Machines like this one run it with Python alone: ./FILE run -p ..., ./FILE serve, ./FILE --help. The file is started
    once, on its own, before it appears.
    """
    from hub_deploy.bundle import Order
    from hub_deploy.bundle import bundle as make

    order = Order(model, output, encode or (), assume or (), pre, force)
    with progress_bar() as progress:
        made = make(order, progress)
    if json:
        emit("bundle", document(made))
    else:
        _print(made)


def document(made: Bundled) -> dict[str, object]:
    """The JSON document (hub_deploy/schemas/bundle.json), its schema key aside."""
    from hub_deploy.bundle.contents import shown

    return {
        "path": made.path, "nbytes": made.nbytes, "converted": made.converted, "trial": made.trial,
        "seconds": round(made.seconds, 3), **shown(made.contents),
    }  # fmt: skip


def _print(made: Bundled) -> None:
    from rich.filesize import decimal

    from hub_deploy.bundle.contents import lines

    pairs(
        [
            ("Bundle", f"{made.path}, {decimal(made.nbytes)}"),
            *lines(made.contents),
            ("Tried", f"alone, from an empty home: {made.trial}"),
            ("Time", f"{made.seconds:.1f} s"),
        ]
    )
