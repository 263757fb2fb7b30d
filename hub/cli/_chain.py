"""`hub rosetta chain` and `hub rosetta verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hub.cli import _output as out
from hub.cli._arguments import Json, ModelPath

if TYPE_CHECKING:
    from hub.rosetta import Chain, Step

_WorkDir: TypeAlias = Annotated[
    Path | None, typer.Option("--work-dir", metavar="DIR", help="Leave the result of each step here.")
]
_Pre: TypeAlias = Annotated[str | None, typer.Option(metavar="NAME", help="Pre-tokenizer, when the source names none.")]


def chain(
    model: ModelPath,
    formats: Annotated[
        list[str], typer.Argument(metavar="FORMAT[:ENCODING]...", help="What to go through, in this order.")
    ],
    work_dir: _WorkDir = None,
    pre: _Pre = None,
    as_json: Json = False,
) -> int:
    """Go through several formats; compare the end.

    Each step is read back and verified. Lossless means that the last result has every value, the configuration and the
    tokenizer of the model; exit code 1 when it has not.
    """
    from hub.cli._progress import progress_bar
    from hub.rosetta import Link
    from hub.rosetta import chain as run

    links = [Link.parse(text) for text in formats]
    with progress_bar() as progress:
        found = run(model, links, work_dir=work_dir, pre=pre, progress=progress)
    return _said(found, as_json)


def verify(
    model: ModelPath,
    intermediate: Annotated[
        str | None,
        typer.Option(
            "--intermediate", metavar="FORMAT", help="Through what; safetensors, or gguf for what is safetensors."
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, metavar="X", help="Values that differ by X at most are equal.")
    ] = 0.0,
    work_dir: _WorkDir = None,
    pre: _Pre = None,
    as_json: Json = False,
) -> int:
    """Go into a format and back; compare every value.

    Exit code 1 when what comes back is not the model.
    """
    from hub.cli._progress import progress_bar
    from hub.rosetta import Link, usual_intermediate
    from hub.rosetta import chain as run

    link = Link.parse(intermediate or usual_intermediate(model))
    with progress_bar() as progress:
        found = run(model, [link], work_dir=work_dir, pre=pre, tolerance=tolerance, back=True, progress=progress)
    return _said(found, as_json)


def _said(found: Chain, as_json: bool) -> int:
    if as_json:
        out.emit("chain", {**out.document(found), "steps": [_document(step) for step in found.steps]})
    else:
        _print(found)
    return int(not found.passed)


def _document(step: Step) -> dict[str, object]:
    return {**out.document(step), "lossless": step.lossless}


def _print(found: Chain) -> None:
    from rich.filesize import decimal

    rows = []
    for number, step in enumerate(found.steps, 1):
        size = "not in place" if step.failures or step.nbytes is None else decimal(step.nbytes)
        rows.append((number, Path(step.target).name, step.format, size, f"{step.seconds:.2f} s", _outcome(step)))
    out.table(("step", "result", "format", "size", "time", "tensors, read back"), rows, ">  >>")
    for number, step in enumerate(found.steps, 1):
        for said in (*(f"dropped: {key}" for key in step.dropped), *step.notes):
            out.say(f"step {number}: {said}")
    if found.comparison is not None:
        c = found.comparison.counts
        out.say(
            f"The end against {found.source}: {c.compared:,} tensors, {c.values:,} values: {c.same_bytes} same bytes, "
            f"{c.equal_values} equal values, {c.within_tolerance} within tolerance, {c.differ} differ"
        )
        for fact in found.comparison.facts or ():
            if fact.counts:
                out.say(f"differs: {fact.section}.{fact.key}: {fact.a!r} became {fact.b!r}")
    if found.work_dir is not None:
        out.say(f"Left in {found.work_dir}")
    out.say(_verdict(found))


def _outcome(step: Step) -> str:
    said = ", ".join(f"{count} {outcome}" for outcome, count in step.outcomes.items())
    return f"{said} (max_abs {step.max_abs:.6g})" if step.max_abs is not None else said


def _verdict(found: Chain) -> str:
    if found.lossless:
        return "LOSSLESS: the end is the beginning"
    return "WITHIN TOLERANCE, not lossless" if found.passed else f"NOT LOSSLESS: {found.reason}"
