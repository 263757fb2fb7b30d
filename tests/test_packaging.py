"""The distributions as a stranger installs them: built as wheels, used from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT, *sorted(p.parent for p in (ROOT / "plugins").glob("*/pyproject.toml"))]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = subprocess.run(
        [*pip, "wheel", "--no-deps", "-w", folder, *SOURCES], capture_output=True, text=True, check=False
    )
    if built.returncode:
        pytest.skip(f"pip cannot build wheels here: {built.stderr.strip().splitlines()[-1:]}")
    site = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, *folder.glob("*.whl")], check=True)
    return site


def run(site: Path, code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=site.parent, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_wheels_bring_the_formats(installed: Path) -> None:
    code = "import hub; from hub.plugins import load; r = load(); print(hub.__file__, *r.formats, *r.problems)"
    file, *formats = run(installed, code).split()
    assert Path(file).is_relative_to(installed)
    assert sorted(formats) == ["apr", "gguf", "safetensors"]


def test_the_wheels_hold_types_schemas_and_no_tests(installed: Path) -> None:
    assert (installed / "hub" / "py.typed").exists()
    assert (installed / "hub" / "schemas" / "convert.json").exists()
    assert not [p for p in installed.rglob("test_*.py") if "hub" in p.relative_to(installed).parts[0]]
