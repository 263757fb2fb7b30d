"""docs/signing.md: its example of another verifier works as it stands."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hub as package

PAGE = Path(package.__file__).parents[1] / "docs" / "signing.md"


def test_the_example_of_another_verifier(
    models: Any, hub: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    (tmp_path / "hub_sums.py").write_text(found[1])
    (tmp_path / "sums").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("HUB_PLUGINS", "hub_sums")
    monkeypatch.setenv("HUB_SUMS", str(tmp_path / "sums"))
    refused = hub("convert", models.file, "first.apr")
    assert refused.returncode == 1
    assert f"{models.file}: is in no list of ours [hub_sums]" in refused.stderr
    monkeypatch.setenv("HUB_DISABLE_PLUGINS", "signing")
    assert hub("convert", models.folder, "first.apr").returncode == 0
    assert hub("convert", "first.apr", "second.apr").returncode == 0
    (tmp_path / "second.apr").write_bytes((tmp_path / "second.apr").read_bytes() + b" ")
    assert hub("convert", "second.apr", "third.apr").returncode == 1


def test_the_page_has_no_gap() -> None:
    assert "@@" not in PAGE.read_text(encoding="utf-8")
