"""What verifiers hear of the models that are run, and that their word counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.usefixtures("llama")
def test_every_model_that_is_run_is_told_once_and_first(
    hub: Callable[..., Any], heard: Callable[[], list[str]], tiny: Path, tiny_apr: Path, adapter: Path
) -> None:
    for model in (tiny, tiny_apr):
        for _ in range(2):  # what was checked before, or lies in the cache, is asked about again
            assert hub("run", model, "Hi", "-n", 1, "-q").code == 0
            assert heard() == [f"run {model.name}"]
    assert hub("bench", model, "-n", 1, "--iterations", 1).code == 0
    assert heard() == [f"run {model.name}"]
    assert hub("compare", tiny, tiny_apr, "-p", "Hi", "-n", 1).code == 0
    assert heard() == [f"run {tiny.name}", f"run {tiny_apr.name}"]
    assert hub("run", tiny, "Hi", "-n", 1, "-q", "--lora", f"{adapter}=0.5").code == 0
    assert heard() == [f"run {tiny.name}", f"run {adapter.name}"]


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


@pytest.mark.usefixtures("llama")
def test_who_refuses_an_adapter_stops_it(
    hub: Callable[..., Any], heard: Callable[[], list[str]], tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSED", adapter.name)
    ran = hub("run", tiny, "Hi", "--lora", adapter)
    assert (ran.code, "nobody signed it" in ran.err) == (2, True), ran
    assert heard() == [f"run {tiny.name}", f"run {adapter.name}"]
