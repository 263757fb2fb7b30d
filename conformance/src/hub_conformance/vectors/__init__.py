"""The vectors: models in the JSON notation, damaged files, and files that other programs wrote."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from hub_conformance.notation import read_document

ROOT = Path(__file__).parent
VALID = ROOT / "v1" / "valid"


@cache
def valid() -> tuple[str, ...]:
    """Names of the valid vectors, in order."""
    return tuple(sorted(path.stem for path in VALID.glob("*.json")))


@cache
def document(name: str) -> dict[str, Any]:
    """The valid vector `name`, as its JSON document."""
    return read_document(VALID / f"{name}.json")
