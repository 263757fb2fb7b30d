"""`hub tensors`: every tensor of a model, with statistics when asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import _output as out
from hub.cli._arguments import Filter, Json, ModelPath

if TYPE_CHECKING:
    from hub.inspection import TensorLine, TensorList

HEAD = ("name", "shape", "encoding", "bytes")
STATS = ("min", "max", "mean", "std", "L2", "zeros", "NaN", "Inf")


def tensors(
    model: ModelPath,
    stats: Annotated[
        bool, typer.Option("--stats", help="Read every value: min, max, mean, std, L2, zeros ...")
    ] = False,
    pattern: Filter = None,
    as_json: Json = False,
) -> None:
    """List the tensors of a model.

    Name, shape, encoding, bytes; with --stats their values in short.
    """
    from hub.cli._progress import progress_bar
    from hub.inspection import list_tensors
    from hub.opening import loading, open_model

    with loading(model), progress_bar() as progress:
        listed = list_tensors(model, open_model(model)[1], pattern, stats=stats, progress=progress)
    if as_json:
        out.emit("tensors", listed)
    else:
        _print(listed, stats)


def _print(listed: TensorList, stats: bool) -> None:
    out.table(HEAD + STATS * stats, ([*_cells(line, stats)] for line in listed.tensors), "   >>>>>>>>>")
    out.say(f"{listed.matched} of {listed.total} tensors, {listed.bytes:,} bytes")
    for alias, tensor in listed.ties.items():
        out.say(f"{alias} is tied to {tensor}")


def _cells(line: TensorLine, stats: bool) -> Iterator[object]:
    yield line.name
    yield "x".join(map(str, line.shape)) or "scalar"
    yield line.encoding
    yield f"{line.bytes:,}"
    if stats and line.stats is None:
        yield line.problem
        yield from [""] * (len(STATS) - 1)
    elif line.stats is not None:
        s = line.stats
        yield from ("-" if v is None else f"{v:.5g}" for v in (s.min, s.max, s.mean, s.std, s.l2))
        yield from (s.zeros, s.nan, s.inf)
