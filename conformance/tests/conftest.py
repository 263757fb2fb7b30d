"""The sound format and its faults, for child processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hub_conformance.runner import Verdict, Wanted, installed, run

FORMATS = Path(__file__).parent / "formats"
NPZ = Path(__file__).parents[2] / "examples" / "hub-npz" / "src"
OURS = ("apr", "gguf", "npz", "safetensors")


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
    """The verdicts on the formats of this repository, the example's among them."""
    with pytest.MonkeyPatch.context() as patch:
        if "npz" not in installed():
            patch.setenv("PYTHONPATH", os.pathsep.join([str(NPZ), *filter(None, [os.environ.get("PYTHONPATH")])]))
            patch.setenv("HUB_PLUGINS", "hub_npz")
        return run(OURS, Wanted(peers=OURS))
