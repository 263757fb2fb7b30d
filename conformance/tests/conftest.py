"""The sound format and its faults, for child processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hub_conformance.runner import Verdict, Wanted, run

FORMATS = Path(__file__).parent / "formats"


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs the sound format for child processes, with a fault or none."""

    def install(fault: str = "") -> None:
        paths = [str(FORMATS), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
        monkeypatch.setenv("HUB_PLUGINS", "sound")
        monkeypatch.setenv("SOUND_FAULT", fault)

    install()
    return install


@pytest.fixture(scope="session")
def ours() -> list[Verdict]:
    """The verdicts on the formats of this repository."""
    return run(["apr", "gguf", "safetensors"], Wanted(peers=("apr", "gguf", "safetensors")))
