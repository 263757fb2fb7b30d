"""The course's texts taken apart: their blocks, the command lines in those, and the commands named in running text."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LESSONS, CAPSTONE = HERE / "lessons.txt", HERE / "capstone.txt"

_HEADING = re.compile(r"#{1,6} (.+)")
_FENCE = re.compile(r"```(\w*)$")
_NAMED = re.compile(r"`(apr [a-z]+)`")
_ASSIGNED = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)
_OPERATORS = {"&", "|", "<", ">", ";"}


@dataclass(frozen=True)
class Block:
    """What stands between two fences: its lines, the first of which is line `line` of the document."""

    section: str
    language: str
    line: int
    text: str


@dataclass(frozen=True)
class Piece:
    """A whole command as bash reads it, or a remark: a line that is blank or a comment. `line` is its first."""

    section: str
    line: int
    text: str
    remark: bool


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a document, each under the heading that it stands below."""
    section, language, inside, begun = "", "", list[str](), 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        fence, heading = _FENCE.match(line.rstrip()), _HEADING.match(line)
        if begun and fence:
            yield Block(section, language, begun, "".join(inside))
            begun = 0
        elif begun:
            inside.append(line)
        elif fence:
            language, inside, begun = fence[1], [], number + 1
        elif heading:
            section = heading[1].strip()


def pieces(block: Block) -> Iterator[Piece]:
    """`block` cut into commands and remarks; together they are its text. `ValueError` when its end cuts a command."""
    begun, held = block.line, ""
    for number, line in enumerate(block.text.splitlines(keepends=True), block.line):
        if not held and _is_remark(line):
            yield Piece(block.section, number, line, remark=True)
            continue
        begun, held = (begun, held + line) if held else (number, line)
        if _is_whole(held):
            yield Piece(block.section, begun, held, remark=False)
            held = ""
    if held:
        raise ValueError(f"line {begun}: no whole command: {held!r}")


def commands(text: str) -> list[Piece]:
    """Every command in the bash blocks of a document, in order."""
    return [p for b in blocks(text) if b.language == "bash" for p in pieces(b) if not p.remark]


def named(text: str) -> dict[str, int]:
    """The commands that running text names in code spans ("apr pull"), and the line where it first does."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for name in _NAMED.findall(line):
            found.setdefault(name, number)
    return found


def _is_remark(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _is_whole(text: str) -> bool:
    """Does bash read `text` as a command that is complete?

    It takes a line that ends in a backslash for whole at the end of its input, and warns of a document without its end.
    """
    if text.endswith("\\\n"):
        return False
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return done.returncode == 0 and not done.stderr


def calls(script: list[Piece]) -> Iterator[tuple[Piece, list[str]]]:
    """The words behind each `apr` of the commands, with the variables set before them put in."""
    known: dict[str, str] = {}
    for piece in script:
        known |= {name: " ".join(shlex.split(value)) for name, value in _ASSIGNED.findall(piece.text)}
        for line in piece.text.replace("\\\n", " ").splitlines():
            if line.lstrip().startswith("apr "):
                yield piece, [_filled(word, known) for word in _words(line)][1:]


def _words(line: str) -> list[str]:
    """The words of the first command of `line`, without redirections and what follows."""
    words = shlex.split(line, comments=True)
    ends = [i for i, word in enumerate(words) if word in _OPERATORS]
    return words[: min(ends, default=len(words))]


def _filled(word: str, known: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda m: known.get(m[1], m[0]), word)
