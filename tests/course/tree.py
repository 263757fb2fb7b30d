"""The course's drawings of folders."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tests.course import document
from tests.course.check import CAPSTONE

_ENTRY = re.compile(r"^((?:[│ ]   )*)(?:[├└]── )?([\w./-]+)")


def entries(section: str) -> list[str]:
    """The paths in the drawing of a section; folders end in a slash."""
    (block,) = [b for b in document.blocks(CAPSTONE) if b.section.endswith(section) and "──" in b.text]
    found, above = [], list[str]()
    for line in block.text.splitlines():
        match = _ENTRY.match(line)
        assert match is not None, line
        depth = len(match[1]) // 4 + ("──" in line)
        above[depth:] = [match[2]]
        found.append("".join(above))
    return found


def folders(section: str) -> list[PurePosixPath]:
    """The folders of the drawing."""
    return [PurePosixPath(path) for path in entries(section) if path.endswith("/")]


def files(section: str) -> list[PurePosixPath]:
    """Its files."""
    return [PurePosixPath(path) for path in entries(section) if not path.endswith("/")]
