"""`hub rosetta fingerprint`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import _output as out
from hub.cli._arguments import Filter, Json, model_path
from hub.errors import TargetExists, UsageError

if TYPE_CHECKING:
    from hub.pipeline import Progress
    from hub.rosetta import Comparison, Fingerprint
    from hub.statistics import Stats

_HEAD = ("tensor", "encoding", "shape", "min", "max", "mean", "std", "zeros", "NaN", "Inf", "sha256")


def fingerprint(
    a: Annotated[
        Path,
        typer.Argument(metavar="A", help="A model; or, to hold B against, a fingerprint from -o.", parser=model_path),
    ],
    b: Annotated[
        Path | None,
        typer.Argument(metavar="[B]", help="A model: is it what A is a fingerprint of?", parser=model_path),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.json", help="Keep the fingerprint of A.")
    ] = None,
    pattern: Filter = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.")] = False,
    as_json: Json = False,
) -> int:
    """Show digests and statistics; compare with B.

    The digest is the same in every format that holds the model in the same encodings. Exit code 1 when B is not the
    model; another encoding of the same values is.
    """
    from hub.cli._progress import progress_bar
    from hub.rosetta import compare

    _check(a, b, output, pattern, force)
    with progress_bar() as progress:
        found = _of(a, pattern, progress)
        compared = None if b is None else compare(found, b, progress)
    if output is not None:
        _save(output, found)
    if as_json:
        out.emit("fingerprint", _document(found, compared))
    elif compared is None:
        _print(found)
    else:
        _print_comparison(found, compared)
    return int(compared is not None and not compared.same)


def _check(a: Path, b: Path | None, output: Path | None, pattern: str | None, force: bool) -> None:
    """`UsageError` for what would have no effect, `TargetExists` before the work."""
    from hub.rosetta import is_fingerprint

    saved = is_fingerprint(a)
    if saved and b is None:
        raise UsageError("is a fingerprint already; a model to hold against it is missing", file=a)
    if saved and (output is not None or pattern is not None):
        raise UsageError(f"{'--output' if output else '--filter'} has no effect on a fingerprint", file=a)
    if output is None and force:
        raise UsageError("--force has no effect without --output")
    if output is not None and output.suffix.lower() != ".json":
        raise UsageError("a fingerprint is a .json file", file=output)
    if output is not None and output.exists() and not force:
        raise TargetExists("exists already", file=output, hint="--force replaces it")


def _of(a: Path, pattern: str | None, progress: Progress) -> Fingerprint:
    from hub.rosetta import fingerprint as of_model
    from hub.rosetta import is_fingerprint, load

    return load(a) if is_fingerprint(a) else of_model(a, pattern, progress)


def _save(path: Path, found: Fingerprint) -> None:
    from hub.pipeline import write_whole

    text = json.dumps({"schema": "hub.fingerprint/1", **out.document(found), "comparison": None}, allow_nan=False)
    write_whole(path, f"{text}\n".encode())


def _document(found: Fingerprint, compared: Comparison | None) -> dict[str, object]:
    said = None if compared is None else {**out.document(compared), "same": compared.same}
    return {**out.document(found), "comparison": said}


def _print(found: Fingerprint) -> None:
    out.table(_HEAD, _rows(found), "   >>>>>>>")
    out.say(f"{len(found.manifest['tensors'])} tensors, {found.path} ({found.format})")
    out.say(f"digest {found.digest}")


def _rows(found: Fingerprint) -> Iterator[list[object]]:
    for entry in found.manifest["tensors"]:
        if entry["name"] in found.statistics:
            shape = "x".join(map(str, entry["shape"])) or "scalar"
            numbers = _numbers(found.statistics[entry["name"]])
            yield [entry["name"], entry["encoding"], shape, *numbers, entry["sha256"][:16]]


def _numbers(stats: Stats | None) -> list[object]:
    if stats is None:
        return ["-"] * 7
    values = ("-" if v is None else f"{v:.5g}" for v in (stats.min, stats.max, stats.mean, stats.std))
    return [*values, stats.zeros, stats.nan, stats.inf]


def _print_comparison(found: Fingerprint, compared: Comparison) -> None:
    for departure in compared.against.departures:
        out.say(str(departure))
    rows: list[list[object]] = []
    for name, (before, now) in compared.statistics.items():
        rows += [[name, "was", *_numbers(before)], [name, "is", *_numbers(now)]]
    if rows:
        out.table(("tensor", "", *_HEAD[3:-1]), rows, "  >>>>>>>")
    for remark in compared.against.remarks:
        out.say(f"remark: {remark}")
    a = compared.against
    out.say(
        f"{a.tensors} tensors of {a.path} against {found.path}: {a.same_bytes} same bytes, {a.equal_values} equal "
        f"values in another encoding, {len(a.departures)} differences"
    )
    out.say("SAME" if compared.same else "DIFFERENT" if a.tensors else "DIFFERENT: nothing was compared")
