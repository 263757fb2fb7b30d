"""Runs every line of the course and writes docs/course.md.

    python scripts/course.py [--keep FOLDER]

Needs hub-runtime and HUB_LLAMA_VOCABS. 1 when a line does not keep what the course promises: then nothing is written.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins" / "sources" / "tests" / "loopback")]

from tests.course.page import PATH, page  # noqa: E402 - the tests are no installed package
from tests.course.performance import FAILS, NOT_RUN, perform  # noqa: E402
from tests.course.scene import opened, taken  # noqa: E402


def main() -> int:
    """Run the lines, say how each went, and write the page when all of them ran."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="run in this empty folder, and leave it")
    folder = parser.parse_args().keep
    found = sorted(Path(os.environ.get("HUB_LLAMA_VOCABS", "")).rglob("ggml-vocab-qwen2.gguf"))
    if "HUB_LLAMA_VOCABS" not in os.environ or not found:
        sys.exit("HUB_LLAMA_VOCABS names no folder with ggml-vocab-qwen2.gguf")
    if taken():
        sys.exit(f"the course's lines need the ports that somebody listens on: {taken()}")
    rows = []
    with tempfile.TemporaryDirectory() as scratch, opened((folder or Path(scratch)).absolute(), found[0]) as scene:
        for row in perform(scene):
            rows.append(row)
            print(f"{row.line:4} {row.text.splitlines()[0]}: {row.outcome} {row.broken}", flush=True)
    bad = [row for row in rows if row.outcome.startswith((FAILS, NOT_RUN))]
    if not bad:
        PATH.write_text(page(rows), encoding="utf-8")
        print(PATH)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
