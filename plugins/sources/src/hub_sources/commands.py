"""`hub import` and `hub pull`: the model at an address, into place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hub.cli import Json, emit, progress_bar, say

if TYPE_CHECKING:
    from hub_sources import Brought, Order

_Address: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS", help="hf://ORG/REPO[@REV][/FILE], https://HOST/FILE[#sha256=HEX], pypi:PACKAGE, or a path."
    ),
]
_Quantization: TypeAlias = Annotated[
    str | None,
    typer.Option("--quantization", "--quantize", metavar="NAME", help="Which of several files, such as q4_k_m."),
]
_Offline: TypeAlias = Annotated[bool, typer.Option("--offline", help="Take what the cache has; ask no server.")]
_Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


def import_(
    address: _Address,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="Where to; its extension says the format. Default: here."),
    ] = None,
    quantization: _Quantization = None,
    offline: _Offline = False,
    force: _Force = False,
    json: Json = False,
) -> None:
    """Fetch a model, every byte compared, and convert it when -o names another format.

    Without --quantization a repository's original is taken, or q4_k_m where there are only quantized files. A model
    that nobody has quantized so is encoded by that recipe on the way.
    """
    from hub_sources import Order

    _run(Order(address, output, quantization, offline=offline, force=force), json)


def pull(
    address: _Address,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PATH", help="Where to, a file or a folder. Default: here.")
    ] = None,
    quantization: _Quantization = None,
    offline: _Offline = False,
    force: _Force = False,
    json: Json = False,
) -> None:
    """Fetch a model, every byte compared, and leave it as it came; hub import converts."""
    from hub_sources import Order

    _run(Order(address, output, quantization, converts=False, offline=offline, force=force), json)


def _run(order: Order, json: bool) -> None:
    from hub_sources import bring

    with progress_bar() as progress:
        brought = bring(order, progress)
    if json:
        emit("import", _document(brought))
    else:
        _print(brought)


def _document(brought: Brought) -> dict[str, object]:
    """The JSON document (hub_sources/schemas/import.json), its schema key aside."""
    conversion = brought.conversion
    return {
        "address": brought.address,
        "source": brought.source,
        "revision": brought.revision,
        "path": brought.path,
        "format": brought.format,
        "nbytes": brought.nbytes,
        "files": brought.parts,
        "notes": brought.notes,
        "conversion": conversion and conversion.document(),
        "seconds": round(brought.seconds, 3),
    }


def _print(brought: Brought) -> None:
    from rich.filesize import decimal

    came = sum(part.nbytes for part in brought.parts)
    revision = f" ({brought.revision})" if brought.revision else ""
    say(f"From: {brought.address}{revision}")
    for part in brought.parts:
        compared = f", {part.compared} as announced" if part.compared else ""
        say(f"File: {part.name}, {decimal(part.nbytes)}{compared}")
    if brought.conversion is not None:
        report = brought.conversion
        counts = ", ".join(f"{count} {outcome}" for outcome, count in report.counts.items())
        say(f"Converted: {report.source.format} -> {report.target.format}, {len(report.tensors)} tensors: {counts}")
        say(f"Verified: {report.values:,} values read back")
    for note in (*brought.notes, *(brought.conversion.notes if brought.conversion else ())):
        say(f"Note: {note}")
    say(f"Model: {brought.path} ({brought.format}, {decimal(brought.nbytes)})")
    say(f"Time: {brought.seconds:.2f} s" + (f", {decimal(int(came / brought.seconds))}/s" if came else ""))
