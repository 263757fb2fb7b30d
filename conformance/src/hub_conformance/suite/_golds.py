"""Gold: files that other programs wrote, each with the canonical form that it must be read as.

gold/FORMAT/WRITER-VERSION/NAME                  a file, or a folder
gold/FORMAT/WRITER-VERSION/NAME.expected.json    the model in it, in the JSON notation
gold/sha256.json                                 the digest of every file; add-only
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from hub_conformance.notation import read_document
from hub_conformance.vectors import ROOT

GOLD = ROOT / "gold"
NONE = "no gold"
_EXPECTED = ".expected.json"


def golds(kind: str) -> list[str]:
    """Names of the gold of the format `kind`, WRITER-VERSION/NAME, or `NONE`."""
    root = GOLD / kind
    found = [path.relative_to(root).as_posix() for path in root.glob(f"*/*{_EXPECTED}")]
    return sorted(name.removesuffix(_EXPECTED) for name in found) or [NONE]


def gold_path(kind: str, name: str) -> Path:
    """Where the gold `name` of the format `kind` lies."""
    return GOLD / kind / name


def expected(kind: str, name: str) -> dict[str, Any]:
    """The canonical form of a gold, as a document."""
    return read_document(GOLD / kind / f"{name}{_EXPECTED}")


def digests() -> dict[str, str]:
    """The digests of the files that are there, by path below the gold's folder."""
    files = [path for path in GOLD.glob("*/**/*") if path.is_file()]
    return {path.relative_to(GOLD).as_posix(): sha256(path.read_bytes()).hexdigest() for path in sorted(files)}
