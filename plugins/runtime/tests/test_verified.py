"""What verifiers hear of the models that are run, and that their word counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.plugins import registry

PLUGIN = """
import os
from pathlib import Path
from hub.errors import HubError
from hub.hookspecs import hookimpl

@hookimpl
def hub_before_load(path, use):
    with open(os.environ["HEARD"], "a") as file:
        print(use, Path(path).name, file=file)
    if Path(path).name == os.environ.get("REFUSED"):
        raise HubError("nobody signed it", file=path)
"""


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """A plugin that hears of every model before it is read; `heard()` is what it heard since it was asked last."""
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "listening_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    monkeypatch.setenv("HUB_PLUGINS", "listening_plugin")
    monkeypatch.setenv("HEARD", str(tmp_path / "heard"))
    registry.cache_clear()

    def since() -> list[str]:
        lines = (tmp_path / "heard").read_text().splitlines()
        (tmp_path / "heard").write_text("")
        return lines

    yield since
    monkeypatch.undo()
    registry.cache_clear()


@pytest.mark.usefixtures("llama")
def test_every_model_that_is_run_is_told_once_and_first(
    hub: Callable[..., Any], heard: Callable[[], list[str]], tiny: Path, tiny_apr: Path
) -> None:
    for model in (tiny, tiny_apr):
        for _ in range(2):  # what was checked before, or lies in the cache, is asked about again
            assert hub("run", model, "Hi", "-n", 1, "-q").code == 0
            assert heard() == [f"run {model.name}"]
    assert hub("bench", model, "-n", 1, "--iterations", 1).code == 0
    assert heard() == [f"run {model.name}"]
    assert hub("compare", tiny, tiny_apr, "-p", "Hi", "-n", 1).code == 0
    assert heard() == [f"run {tiny.name}", f"run {tiny_apr.name}"]


@pytest.mark.usefixtures("llama")
@pytest.mark.parametrize("command", [("run", "Hi"), ("embed", "Hi", "--pooling", "mean"), ("trace", "-p", "Hi")])
def test_who_refuses_stops_it(
    hub: Callable[..., Any], heard: Callable[[], list[str]], tiny_apr: Path, command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch, cache_folder: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("REFUSED", tiny_apr.name)
    ran = hub(command[0], tiny_apr, *command[1:])
    assert (ran.code, "nobody signed it" in ran.err) == (2, True), ran
    assert heard() == [f"run {tiny_apr.name}"]
    assert not list(cache_folder.rglob("*.gguf"))
