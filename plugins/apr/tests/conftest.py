from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parent / "fixtures"


def entries() -> list[dict[str, Any]]:
    manifest: dict[str, Any] = json.loads((FIXTURES / "manifest.json").read_text())
    found: list[dict[str, Any]] = manifest["fixtures"]
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`fixture`: every file of the manifest; `v2`, `v1`, `refused`: those of that kind."""
    kinds: dict[str, Callable[[dict[str, Any]], bool]] = {
        "fixture": lambda e: bool(e),
        "v2": lambda e: e.get("dump", {}).get("dialect") == "v2",
        "v1": lambda e: e.get("dump", {}).get("dialect") == "v1",
        "refused": lambda e: not e["reference"]["accepts"],
    }
    for name, wanted in kinds.items():
        if name in metafunc.fixturenames:
            found = [e for e in entries() if wanted(e)]
            metafunc.parametrize(name, found, ids=[e["file"] for e in found])


@pytest.fixture
def apr() -> Path:
    """The folder of reference files."""
    return FIXTURES


@pytest.fixture
def manifest() -> dict[str, dict[str, Any]]:
    """What the reference files hold, by file name."""
    return {e["file"]: e for e in entries()}
