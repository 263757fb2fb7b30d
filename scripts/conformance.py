"""Writes who exchanges models with whom into a page: python scripts/conformance.py [--check] [PAGE].

The table stands between <!-- conformance --> and <!-- /conformance --> in PAGE (README.md when none is named). Every
ordered pair of the formats of this repository is converted there and back with models of every kind, by the suite of
hub-conformance. With --check nothing is written: 1 when the page says something else.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from hub_conformance.runner import Wanted, installed, matrix, run

ROOT = Path(__file__).resolve().parent.parent
FORMATS = ("apr", "gguf", "npz", "safetensors")
_PLACE = re.compile(r"(<!-- conformance -->\n).*?(<!-- /conformance -->)", re.S)


def main() -> int:
    """Run the exchanges and write, or compare, the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("page", nargs="?", type=Path, default=ROOT / "README.md")
    arguments = parser.parse_args()
    text = arguments.page.read_text("utf-8")
    if not _PLACE.search(text):
        parser.error(f"{arguments.page} has no <!-- conformance --> ... <!-- /conformance -->")
    _bring_npz()
    missing = sorted(set(FORMATS) - set(installed()))
    if missing:
        parser.error(f"not installed: {', '.join(missing)}")
    verdicts = run(FORMATS, Wanted(["test_arrives_and_comes_back"], peers=FORMATS))
    bad = [f"{v.format} {r.test}: {r.reason}" for v in verdicts for r in v.bad]
    print("\n".join(bad), file=sys.stderr)
    made = _PLACE.sub(lambda found: found[1] + matrix(verdicts) + found[2], text)
    if arguments.check:
        return int(made != text or bool(bad))
    arguments.page.write_text(made, "utf-8")
    return int(bool(bad))


def _bring_npz() -> None:
    """Have the example among the plugins of child processes, where it is not installed."""
    if "npz" not in installed():
        paths = [str(ROOT / "examples" / "hub-npz" / "src"), os.environ.get("PYTHONPATH", "")]
        plugins = ["hub_npz", os.environ.get("HUB_PLUGINS", "")]
        os.environ |= {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "HUB_PLUGINS": ",".join(filter(None, plugins)),
        }


if __name__ == "__main__":
    sys.exit(main())
