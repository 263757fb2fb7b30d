"""How the sources hang in the hub."""

from __future__ import annotations

import subprocess
import sys

import pytest

import hub_sources
from hub.interface import Source
from hub_sources.interface import Obtains
from hub_sources.plugin import hub_provides


def test_what_is_announced_is_what_is_there() -> None:
    assert all(isinstance(one, Source) and isinstance(one, Obtains) for one in hub_provides())
    made: list[Source] = [hub_sources.HuggingFace(), hub_sources.Web(), hub_sources.PyPI(), hub_sources.Local()]
    assert [(s.name, s.schemes) for s in hub_provides()] == [(s.name, s.schemes) for s in made]


def test_without_the_package_its_commands_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DISABLE_PLUGINS", "hub-sources")
    done = subprocess.run([sys.executable, "-m", "hub", "pull", "x"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "comes with the package hub-sources; pip install hub-sources adds it" in done.stderr


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, hub_sources.plugin as p; p.hub_provides(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "huggingface_hub", "hub.pipeline", "hub.recipes"}.isdisjoint(loaded)
