"""How many rows a file of data has, where its kind has rows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

_PIECE = 1 << 20
_LONGEST = 1 << 24  # bytes of a line of a table; what is longer is no table


def rows(path: Path) -> int | None:
    """Lines of JSON lines, records of a table (its head counts as one); None for other files, and for no such thing.

    Read in pieces, by the ending of the name.
    """
    count = _COUNTS.get(path.suffix.lower())
    return None if count is None else count(path)


def _lines(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            count, last = count + piece.count(b"\n"), piece[-1:]
    return count + (last != b"\n")


def _records(path: Path, delimiter: str) -> int | None:
    """A line break inside quotes ends no record."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return sum(1 for record in csv.reader(_bounded(file), delimiter=delimiter) if record)
    except (csv.Error, UnicodeDecodeError, OverflowError):
        return None


def _bounded(file: IO[str]) -> Iterator[str]:
    while line := file.readline(_LONGEST):
        if len(line) == _LONGEST and not line.endswith("\n"):
            raise OverflowError
        yield line


_COUNTS: dict[str, Callable[[Path], int | None]] = {
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".csv": lambda path: _records(path, ","),
    ".tsv": lambda path: _records(path, "\t"),
}
