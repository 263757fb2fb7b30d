"""docs/course.md is complete; whether it is true, `test_lines` says."""

from __future__ import annotations

import re

from tests.course.page import PATH
from tests.course.performance import plan
from tests.course.steps import ASKED


def test_the_page_has_every_line() -> None:
    text = PATH.read_text(encoding="utf-8")
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == [r.line for r, _ in plan() if r.line]
    assert text.count("\n| ") == len(plan()) + len(set(re.findall(r"^## .+", text, re.MULTILINE)))
    assert ASKED[0].begins in text
