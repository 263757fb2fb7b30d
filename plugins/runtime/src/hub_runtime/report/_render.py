"""Sections as Markdown, and as a page that needs nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from hub_runtime import pages as p
from hub_runtime.report._blocks import Bars, Block, Items, Section, Table, Text

TITLE = "Benchmark Report"
_MARKUP = re.compile(r"([\\`*\[\]<>|#~]|(?<!\w)_|_(?!\w))")  # an underscore inside a word is one


def markdown(sections: Iterable[Section]) -> str:
    """The report as Markdown; what models and files are called is text in it, never markup."""
    lines = [f"# {TITLE}", ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += _lines(block)
    return "\n".join(lines).rstrip() + "\n"


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Text):
        yield from (f"**{_plain(block.text)}**" if block.bad else _plain(block.text), "")
    elif isinstance(block, Items):
        yield from (f"- {_plain(item)}" for item in block.items)
        yield from ("",) if block.items else ()
    elif isinstance(block, Table):
        yield _cells(block.head)
        yield "|" + "|".join([" :--- ", *(" :--- " if block.prose else " ---: " for _ in block.head[1:])]) + "|"
        yield from (_cells(row) for row in block.rows)
        yield ""


def _cells(row: Sequence[str]) -> str:
    return "| " + " | ".join(map(_plain, row)) + " |"


def _plain(text: str) -> str:
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return _MARKUP.sub(r"\\\1", shown)


def html(sections: Iterable[Section]) -> str:
    """The report as a page with charts, no script and nothing from a network."""
    parts: list[str] = []
    for section in sections:
        parts.append(p.heading(section.title))
        parts += [_html(block) for block in section.blocks]
    return p.page(TITLE, parts)


def _html(block: Block) -> str:
    if isinstance(block, Text):
        return p.paragraph(block.text, bad=block.bad)
    if isinstance(block, Items):
        return p.items(block.items)
    if isinstance(block, Bars):
        return p.figure(block.title, p.bars(block.rows))
    return p.table(block.head, block.rows, prose=block.prose)
