"""docs/course.md: how each line of the course went."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from tests.course.performance import Row
from tests.course.scene import ROOT

PATH = ROOT / "docs" / "course.md"

HEAD = """# The course, line by line

Every command line of the course's two texts (`tests/course/lessons.txt`, `tests/course/capstone.txt`), taken out of
them by a program and run as written: with `alias apr=hub`, in one bash, in order, in an empty folder, against a hub on
this machine that serves a small model under the names that the course asks for. The model (`tests/course/model.py`) is
a Qwen2 of two layers with the first 16,000 tokens of Qwen2's vocabulary, encoded by hub's recipe `q4_k_m`; it knows
one sentence, so that what it says can be compared. What `inspect` says of the course's own sizes is checked on a GGUF
of these sizes.

"Works": it ended with exit code 0, and everything in the last column was looked at and found so. What the runner did
because the text leaves it open stands there in italics. No line is left out; the two that build the course's own
browser demo with Rust are replaced by hub's way to the same end.

What this does not show:

- The real Qwen2.5-0.5B was not fetched; times and texts are not those of the course's model.
- Line 485 was not run on a GPU. Where llama.cpp has one, the test wants an answer instead of the refusal.
- 5.1 has no difference here because the model is sure of each token. Q4_K_M and its own values in F32 go through
  different kernels of llama.cpp, so that a close decision can fall otherwise, as the course says itself. The lines of
  5.1 on SmolLM2-135M-Instruct, Q4_1: the GGUF begins with "L'", SafeTensors and APR with "The capital of France is
  Paris."; the two first tokens are 0.1 of a logit apart. SafeTensors and the APR made of it become the same GGUF.
- The sizes in the table of 4.4 are the course's. Of its model a GGUF in Q4_K_M has 385 MB here; F32 has 4 bytes a
  parameter, 2.0 GB. lz4 finds little in F32: the APR of 1.3 was 67 % of SmolLM2's SafeTensors, and of this model's
  83 %, both far from the course's 350 MB. The direct way, GGUF to APR, keeps the size of the GGUF.

`pytest tests/course` runs this and fails when a line does or when this page is not what came out; `python
scripts/course.py` writes the page. Both need hub-runtime, `HUB_LLAMA_VOCABS` (`scripts/fetch_inputs.py`), and the
programs that the lines call.
"""


def page(rows: Sequence[Row]) -> str:
    """The page of all rows."""
    counts = Counter(re.sub(r"^`.*` in its place$", "replaced by hub's own", row.outcome) for row in rows)
    lines = [HEAD, f"{len(rows)} lines: {', '.join(f'{count} {what}' for what, count in counts.items())}.", ""]
    for section, members in groupby(rows, lambda row: row.section):
        lines += [f"## {section}", "", "| line | command | outcome | what was checked |", "|---|---|---|---|"]
        lines += [_line(row) for row in members]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _line(row: Row) -> str:
    said = [*row.checked, *([f"*{row.note}*"] if row.note else [])]
    cells = (str(row.line or ""), _code(row.text), row.outcome, "; ".join(said))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _code(text: str) -> str:
    """A command in one cell: its lines as code, those that go on joined."""
    joined = text.replace("\\\n", " ").rstrip("\n").splitlines()
    return "<br>".join(f"`{re.sub(' +', ' ', line.strip())}`" for line in joined if line.strip())
