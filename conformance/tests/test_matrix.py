"""scripts/conformance.py: the table in a page, written and checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hub_conformance.runner import Verdict, matrix

SCRIPT = Path(__file__).parents[2] / "scripts" / "conformance.py"


def script(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True, check=False)


def test_a_page_without_a_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("nothing here\n")
    done = script(tmp_path / "page.md")
    assert done.returncode == 2
    assert "has no <!-- conformance -->" in done.stderr


def test_the_table_is_what_the_suite_finds(ours: list[Verdict], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n<!-- conformance -->\n{matrix(ours)}<!-- /conformance -->\nafter\n")
    done = script("--check", page)
    assert done.returncode == 0, done.stderr
