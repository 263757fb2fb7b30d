"""What a report consists of, whatever it is rendered as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `bad` news is marked."""

    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list; empty, it is left out."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table. The first column is text, and the others are numbers unless it is `prose`."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of bars: label, length, what is said beside it. Where there are no pictures it is left out."""

    title: str
    rows: Sequence[tuple[str, float, str]]


Block: TypeAlias = Text | Items | Table | Bars


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what is below it."""

    title: str
    blocks: Sequence[Block]
