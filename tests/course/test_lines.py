"""Each line of the course works as written and gives what the text promises; docs/course.md says so.

One test, not one a line: the lines follow from each other, and need their ports for themselves.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.course.page import PATH, page
from tests.course.performance import FAILS, NOT_RUN, perform
from tests.course.scene import opened, taken


@pytest.fixture
def vocabulary() -> Path:
    """Qwen2's, of llama.cpp's; skips, saying so, where the lines cannot be run."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    found = sorted(Path(os.environ.get("HUB_LLAMA_VOCABS", "")).rglob("ggml-vocab-qwen2.gguf"))
    if "HUB_LLAMA_VOCABS" not in os.environ or not found:
        pytest.skip("HUB_LLAMA_VOCABS names no folder with ggml-vocab-qwen2.gguf")
    if taken():
        pytest.skip(f"the course's lines need the ports that somebody listens on: {taken()}")
    return found[0]


@pytest.mark.llama
@pytest.mark.timeout(3600)
def test_every_line_works_as_written_and_the_page_says_so(vocabulary: Path, tmp_path: Path) -> None:
    with opened(tmp_path, vocabulary) as scene:
        rows = list(perform(scene))
    assert [f"line {row.line}: {row.text}{row.broken}" for row in rows if row.outcome == FAILS] == []
    not_run = [f"line {row.line}: {row.outcome}" for row in rows if row.outcome.startswith(NOT_RUN)]
    if not_run:
        pytest.skip(f"all others work, but: {'; '.join(not_run)}")
    if not any("no GPU" in row.outcome for row in rows):
        pytest.skip("all lines work; the page is of a machine without a GPU")
    assert PATH.read_text(encoding="utf-8") == page(rows), "scripts/course.py writes it anew"
