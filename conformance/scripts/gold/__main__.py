"""Makes gold: files that other programs write. `python -m conformance.scripts.gold WRITER` from the repository's root.

Run once for each release of a writer, with that release installed; the new files' digests are written down in
conformance/tests/gold.json. What is there is never made again (see the README beside the files). WRITER is one of the
table's names.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from hub_conformance.suite._golds import digests

DIGESTS = Path("conformance/tests/gold.json")

WRITERS = {
    "gguf": "_gguf",
    "safetensors": "_safetensors",
    "transformers": "_transformers",
    "llama.cpp": "_llama_cpp",
    "apr-format": "_apr_format",
    "hub": "_hub",
}


def main() -> None:
    """Let one writer write; its module is imported only then, as each needs packages of its own."""
    if len(sys.argv) != 2 or sys.argv[1] not in WRITERS:
        raise SystemExit(f"usage: python -m conformance.scripts.gold {'|'.join(WRITERS)}")
    importlib.import_module(f"conformance.scripts.gold.{WRITERS[sys.argv[1]]}").write()
    known: dict[str, str] = json.loads(DIGESTS.read_text()) if DIGESTS.is_file() else {}
    there = digests()
    changed = [name for name, digest in known.items() if there.get(name) != digest]
    if changed:
        raise SystemExit(f"gold is add-only; restore {', '.join(changed)}")
    DIGESTS.write_text(json.dumps(known | there, indent=0) + "\n")


if __name__ == "__main__":
    main()
