"""The stages of `hub check` that plugins answer for: the inference, and whatever they check besides."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hub.errors import HubError, PluginError
from hub.events import blamed, fire_each
from hub.interface import Finding, Stage
from hub.ir import Model
from hub.plugins import registry
from hub.verdicts._stages import StageResult, result, summed


def inference_stage(path: Path, stages: list[StageResult]) -> StageResult:
    """What a plugin that runs models says of a small forward pass; a model with faults is not run."""
    failed = next((s for s in stages if s.outcome == "FAIL"), None)
    if failed is not None:
        return result(Stage.INFERENCE, "SKIP", f"not reached: {failed.title.lower()} failed")
    for runtime in registry().runtimes.values():
        try:
            with blamed(registry().plugin_of("runtimes", runtime.name), "its smoke test"):
                found = runtime.smoke_test(path)
        except PluginError:
            raise
        except HubError as error:
            return result(Stage.INFERENCE, "FAIL", error.message)
        if found is not None:
            return result(Stage.INFERENCE, found.outcome, found.detail)
    return result(Stage.INFERENCE, "SKIP", "no runtime plugin is installed")


def plugin_stages(path: Path, model: Model) -> list[StageResult]:
    """What plugins find by `hub_checks`: a stage for each name that their findings give."""
    stages: list[StageResult] = []
    for plugin, answer in fire_each("hub_checks", path=path, model=model):
        stages += _stages(plugin, answer)
    return stages


def _stages(plugin: str, answer: HubError | Any) -> list[StageResult]:
    if isinstance(answer, PluginError):
        raise answer
    if isinstance(answer, HubError):
        return [result(f"{plugin}:checks", "FAIL", answer.message)]
    for finding in answer if isinstance(answer, Iterable) else [answer]:
        if not isinstance(finding, Finding) or not finding.stage.startswith(f"{plugin}:"):
            expected = f"a Finding of a stage named {plugin}:... was expected"
            raise PluginError(f"hub_checks gave {finding!r}, {expected}", plugin=plugin)
    return list(summed(answer).values())
