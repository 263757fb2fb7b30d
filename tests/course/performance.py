"""Runs the course from its first line to its last, and writes down how each line went."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.course import document
from tests.course.check import CAPSTONE, LESSONS
from tests.course.scene import Scene, Seen
from tests.course.steps import ASKED, NAMED, STEPS, Step

FAILS, NOT_RUN = "FAILS", "not run: "
UNREACHED = "npm did not fetch"  # its registry cannot be reached: that says nothing of the line


@dataclass(frozen=True)
class Row:
    """A line of the course, how it went, and what was checked; `broken` is the promise that was not kept, and how.

    `line` is its number in `text_file`, `section` the heading that it stands below.
    """

    text_file: str
    section: str
    line: int
    text: str
    outcome: str = ""
    checked: tuple[str, ...] = ()
    note: str = ""
    broken: str = ""


def plan() -> list[tuple[Row, Step | None]]:
    """All rows in the order in which they run, and what runs; None for names that stand in the capstone as lines."""
    lines: list[tuple[Row, Step | None]] = [
        (Row("capstone", piece.section, piece.line, piece.text), step)
        for piece, step in zip(document.commands(CAPSTONE), STEPS, strict=True)
    ]
    for text_file, text in (("lessons", LESSONS), ("capstone", CAPSTONE)):
        for name, line in document.named(text).items():
            row = Row(text_file, f"Named in the text of the {text_file}", line, name)
            lines += [(replace(row, text=step.begins), step) for step in NAMED[name]] or [(row, None)]
    return lines + [(Row("capstone", "Asked for without a line", 0, step.begins), step) for step in ASKED]


def perform(scene: Scene) -> Iterator[Row]:
    """Run every line, each once, in order."""
    done: list[Row] = []
    for row, step in plan():
        if row.section.startswith(("Named", "Asked")):
            scene.shell.run(f"cd '{scene.capstone}'\n")
        done.append(_looked_up(row, done) if step is None else _performed(scene, row, step))
        yield done[-1]


def _looked_up(row: Row, done: list[Row]) -> Row:
    """How the lines went that begin with what the row names."""
    lines = [one for one in done if not one.section.startswith("Named")]
    found = [one for one in lines if one.text.startswith(f"{row.text} ")]
    assert found, row.text
    bad = [one for one in found if one.outcome == FAILS]
    checked = (f"the capstone's lines {', '.join(str(one.line) for one in found)}",)
    return replace(row, outcome=FAILS if bad else "works", checked=checked, broken="; ".join(b.broken for b in bad))


def _performed(scene: Scene, row: Row, step: Step) -> Row:
    """`row` with the outcome of its line."""
    row = replace(row, checked=tuple(check.says for check in step.checks), note=step.note)
    missing = [program for program in step.needs if shutil.which(program) is None]
    if missing:
        return replace(row, outcome=f"{NOT_RUN}there is no {missing[0]} here")
    if step.before is not None:
        step.before(scene)
    ran = scene.shell.run(step.instead or row.text, step.typed)
    scene.rans.append(ran)
    seen = Seen(**vars(ran), scene=scene)
    if UNREACHED in ran.err:
        return replace(row, outcome=f"{NOT_RUN}{UNREACHED} what it needs", broken=ran.err)
    for check in step.checks:
        try:
            check.holds(seen)
        except Exception as error:  # whatever a broken line leads to, the others are tried as well
            return replace(row, outcome=FAILS, broken=f"{check.says}: {type(error).__name__}: {error}")
    if step.instead:
        return replace(row, outcome=f"`{step.instead}` in its place")
    return replace(row, outcome="works" if ran.code == 0 else step.no)
