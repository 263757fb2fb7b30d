"""The last stage of `hub check`: what a plugin that runs models says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import DamagedFile, PluginError
from hub.interface import Finding, Stage
from hub.plugins import PluginInfo, registry
from hub.verdicts import StageResult, check

Answer = Callable[[Path], Finding | None]


class Runner:
    """A runtime that answers `answer`."""

    name = "runner"

    def __init__(self) -> None:
        self.asked: list[Path] = []
        self.answer: Answer = lambda _: Finding(Stage.INFERENCE, "PASS", "top-1 7")

    def smoke_test(self, path: Path) -> Finding | None:
        self.asked.append(path)
        return self.answer(path)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    made = Runner()
    monkeypatch.setattr(registry(), "runtimes", {"runner": made})
    monkeypatch.setattr(registry(), "plugins", [PluginInfo("tester", "?", "?", runtimes=("runner",))])
    return made


def inference(path: Path, **options: bool) -> StageResult:
    return check(path, **options).stages[-1]


def test_the_stage_is_what_the_plugin_found(runner: Runner, tiny_gguf: Path) -> None:
    found = inference(tiny_gguf)
    assert (found.stage, found.outcome, found.detail) == (Stage.INFERENCE, "PASS", "top-1 7")
    runner.answer = lambda _: Finding(Stage.INFERENCE, "FAIL", "NaN in the logits")
    report = check(tiny_gguf)
    assert (report.outcome, report.stages[-1].detail) == ("FAIL", "NaN in the logits")


def test_an_error_of_the_runtime_is_a_failure_of_the_stage(runner: Runner, tiny_gguf: Path) -> None:
    def fail(_: Path) -> Finding:
        raise DamagedFile("no such tensor")

    runner.answer = fail
    assert (inference(tiny_gguf).outcome, inference(tiny_gguf).detail) == ("FAIL", "no such tensor")


def test_anything_else_that_it_raises_is_the_plugin_s_fault(runner: Runner, tiny_gguf: Path) -> None:
    def fail(_: Path) -> Finding:
        raise ZeroDivisionError

    runner.answer = fail
    with pytest.raises(PluginError, match=r"ZeroDivisionError.*\[tester\]"):
        check(tiny_gguf)


def test_a_damaged_model_is_never_run(runner: Runner, tiny_gguf: Path) -> None:
    tiny_gguf.write_bytes(tiny_gguf.read_bytes()[:-40])
    assert inference(tiny_gguf).outcome == "SKIP"
    assert not runner.asked


def test_a_check_without_inference_asks_nobody(runner: Runner, tiny_gguf: Path) -> None:
    assert inference(tiny_gguf, inference=False).detail == "not asked for"
    assert not runner.asked
