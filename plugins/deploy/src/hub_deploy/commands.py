"""The commands `hub deploy ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import Json, ModelPath, emit, nbytes, pairs, progress_bar, say

if TYPE_CHECKING:
    from hub_deploy.wasm import Deployed

deploy = typer.Typer(rich_markup_mode=None, add_completion=False)


@deploy.callback()
def _deploy() -> None:  # with it, the one command below stays a command of the group
    """Put a model where it is to run: in a web page."""


@deploy.command()
def wasm(
    model: ModelPath,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The site: a folder to be made.")],
    optimize_size: Annotated[
        bool, typer.Option("--optimize-size", help="Encode wide matrices first, as hub convert --target wasm does.")
    ] = False,
    pre: Annotated[str | None, typer.Option(metavar="NAME", help="Pre-tokenizer, when the model names none.")] = None,
    context: Annotated[
        int | None, typer.Option(min=16, metavar="TOKENS", help="Of a conversation; the model's, 4096 at most.")
    ] = None,
    part_size: Annotated[str, typer.Option(metavar="SIZE", help="The most that a file of the model has.")] = "24MB",
    wllama: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The npm package @wllama/wllama: archive or folder.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a site that is there.")] = False,
    json: Json = False,
) -> int:
    """Make a static site that runs MODEL in the browser: a chat, no server code, also without a network.

    llama.cpp comes as the npm package @wllama/wllama, fetched once with your npm and compared with its known digest.
    """
    from hub_deploy.wasm import Order
    from hub_deploy.wasm import deploy as make

    size = nbytes(part_size, "--part-size") or 0
    with progress_bar() as progress:
        made = make(Order(model, output, optimize_size, pre, wllama, size, context, force), progress)
    if json:
        emit("deploy-wasm", document(made))
    else:
        _print(made)
    return 0


def document(made: Deployed) -> dict[str, object]:
    """The JSON document (hub_deploy/wasm/schemas/deploy-wasm.json), its schema key aside."""
    return {
        "path": made.path, "nbytes": made.nbytes, "site": made.listed(), "wllama_from": made.wllama,
        "conversion": made.conversion.document(), "notes": made.notes, "seconds": round(made.seconds, 3),
    }  # fmt: skip


def _print(made: Deployed) -> None:
    from rich.filesize import decimal

    from hub_deploy.wasm import VERSION

    counts = ", ".join(f"{count} {outcome}" for outcome, count in made.conversion.counts.items())
    pairs([
        ("Model", f"{made.name}, {decimal(made.apr.bytes)} of APR in {len(made.parts)} parts"),
        ("Tensors", f"{len(made.conversion.tensors)}: {counts}"),
        ("Runs on", f"llama.cpp of wllama {VERSION}, from {made.wllama}; {made.context} tokens of context"),
        ("Site", f"{made.path}, {decimal(made.nbytes)} in {len(made.parts) + len(made.files) + 2} files"),
    ])  # fmt: skip
    for note in (*made.conversion.notes, *made.notes):
        say(f"Note: {note}")
    say(f"Time: {made.seconds:.2f} s")
    say(f"Any static server shows it, such as: python -m http.server --bind 127.0.0.1 --directory {made.path}")
