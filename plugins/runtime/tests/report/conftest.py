"""Documents that the measuring commands write about the tiny model in two formats."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main


def measure(folder: Path, *models: Path) -> Path:
    """All documents that the course asks for, of each of `models`."""
    folder.mkdir()
    work = ("--prompt", "ab", "-n", "5", "--iterations", "3", "--threads", "1")
    for model in models:
        kind = model.suffix[1:]
        for command, name in (("showcase", "benchmark"), ("profile", "profile")):
            assert main([command, str(model), *work, "--output", str(folder / f"{kind}-{name}.json")]) == 0
        assert main(["trace", str(model), "-p", "ab", "--trace-output", str(folder / f"{kind}-trace.json")]) == 0
    compared = folder / "compare.json"
    assert main(["compare", *map(str, models), "-p", "ab", "-n", "4", "--output", str(compared)]) == 0
    return folder


@pytest.fixture(scope="session")
def measured(llama: Any, tiny: Path, tiny_apr: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documents of the tiny model as GGUF and as APR; not to be changed."""
    assert llama
    folder = tmp_path_factory.mktemp("measured")
    patch = pytest.MonkeyPatch()
    patch.setenv("HUB_CACHE", str(folder / "cache"))
    try:
        return measure(folder / "benchmarks", tiny, tiny_apr)
    finally:
        patch.undo()


@pytest.fixture
def benchmarks(measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(measured, tmp_path / "benchmarks"))


Edit = Callable[[Any], object]


@pytest.fixture
def edit(benchmarks: Path) -> Callable[[str, Edit], None]:
    """`edit(name, change)`: change one of the documents in the copy."""
    import json

    def changed(name: str, change: Edit) -> None:
        file = benchmarks / name
        found = json.loads(file.read_text(encoding="utf-8"))
        change(found)
        file.write_text(json.dumps(found), encoding="utf-8")

    return changed
