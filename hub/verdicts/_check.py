"""What `hub check` finds out: ten stages, each PASS, FAIL or SKIP with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub.errors import DamagedFile, HubError, MissingFact, UnmappedTensor, UnsupportedFile
from hub.interface import Format, Outcome, Stage
from hub.ir import Model
from hub.opening import loading, open_model
from hub.plugins import registry
from hub.verdicts._model_stages import architecture_stage, config_stage
from hub.verdicts._plugin_stages import inference_stage, plugin_stages
from hub.verdicts._stages import StageResult, result, structure
from hub.verdicts._tokenizer_stage import tokenizer_stage

# A file whose structure is sound may still not open; the stage that says so, by the error's class.
BLAMED: dict[type[HubError], Stage] = {
    DamagedFile: Stage.CONFIG,
    MissingFact: Stage.CONFIG,
    UnmappedTensor: Stage.ARCHITECTURE,
}


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The ten stages, those of plugins behind them, and their sum; `outcome` is FAIL when one stage failed."""

    path: Path
    format: str
    outcome: Outcome
    passed: int
    failed: int
    skipped: int
    total: int
    stages: tuple[StageResult, ...]


def check(path: Path, *, inference: bool = True) -> CheckReport:
    """Run the ten stages on the model at `path`, and those of plugins. Damage is a FAIL, never an error.

    `inference` False leaves out the last one, which needs a plugin that runs models.
    """
    with loading(path):
        found = registry().find(path)
        stages = structure(path, found)
        model = _opened(path, found, stages)
        if isinstance(model, Model):
            stages += [tokenizer_stage(model), config_stage(model), architecture_stage(model)]
            further = plugin_stages(path, model)
        else:
            stages += _unopened(stages, model)
            further = []
        asked = inference_stage(path, [*stages, *further]) if inference else None
    stages += [asked or result(Stage.INFERENCE, "SKIP", "not asked for"), *further]
    counts = [sum(s.outcome == outcome for s in stages) for outcome in ("PASS", "FAIL", "SKIP")]
    verdict: Outcome = "FAIL" if counts[1] or not counts[0] else "PASS"
    return CheckReport(path, found.name, verdict, counts[0], counts[1], counts[2], len(stages), tuple(stages))


def _opened(path: Path, found: Format, stages: list[StageResult]) -> Model | HubError | None:
    """The model, why it cannot be opened, or None when a stage that failed explains that already."""
    try:
        return open_model(path, found.name)[1]
    except HubError as error:
        return None if any(s.outcome == "FAIL" for s in stages) else error


def _unopened(stages: list[StageResult], error: HubError | None) -> list[StageResult]:
    """Tokenizer, configuration and architecture of a model that cannot be opened."""
    late = (Stage.TOKENIZER, Stage.CONFIG, Stage.ARCHITECTURE)
    if error is None:
        failed = next(s.title.lower() for s in stages if s.outcome == "FAIL")
        return [result(stage, "SKIP", f"not reached: {failed} failed") for stage in late]
    if isinstance(error, UnsupportedFile):
        return [result(stage, "SKIP", error.message) for stage in late]
    blamed = BLAMED.get(type(error), Stage.ARCHITECTURE)
    return [
        result(stage, "FAIL", error.message) if stage == blamed else result(stage, "SKIP", "the model cannot be opened")
        for stage in late
    ]
