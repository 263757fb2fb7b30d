"""The stages from magic to checksum, as a format's own `validate` reports them, in order and complete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.errors import HubError, PluginError
from hub.interface import Finding, Format, Outcome, Stage

TITLES = {
    Stage.MAGIC: "Magic bytes",
    Stage.HEADER: "Header",
    Stage.METADATA: "Metadata",
    Stage.INDEX: "Tensor index",
    Stage.ALIGNMENT: "Data alignment",
    Stage.CHECKSUM: "Checksum",
    Stage.TOKENIZER: "Tokenizer",
    Stage.CONFIG: "Configuration",
    Stage.ARCHITECTURE: "Architecture",
    Stage.INFERENCE: "Inference",
}

# What a format answers for; the rest is asked of the model in canonical form.
STRUCTURE = (Stage.MAGIC, Stage.HEADER, Stage.METADATA, Stage.INDEX, Stage.ALIGNMENT, Stage.CHECKSUM)

# A damaged file may hold a million faults; so many of one stage are shown, the others counted.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage's verdict, why, and the findings behind it (at most `SHOWN`; `found` counts them all)."""

    stage: Stage | str
    title: str
    outcome: Outcome
    detail: str
    found: int = 0
    findings: tuple[Finding, ...] = ()


def title(stage: Stage | str) -> str:
    """What people call a stage; a plugin's own has its name."""
    return TITLES[stage] if isinstance(stage, Stage) else stage


def result(stage: Stage | str, outcome: Outcome, detail: str, problems: Iterable[str] = ()) -> StageResult:
    """A stage's verdict; `problems` become findings with the same outcome."""
    listed = [Finding(stage, outcome, problem) for problem in problems]
    return StageResult(stage, title(stage), outcome, detail, len(listed), tuple(listed[:SHOWN]))


def faulty(stage: Stage, problems: list[str]) -> StageResult:
    """A FAIL that names the first problem and counts the others."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return result(stage, "FAIL", problems[0] + more, problems)


def structure(path: Path, found: Format) -> list[StageResult]:
    """The stages of `STRUCTURE`; those behind a failed one that say nothing are SKIP with the reason."""
    heard = summed(_findings(path, found))
    results: list[StageResult] = []
    for stage in STRUCTURE:
        failed = next((r for r in results if r.outcome == "FAIL"), None)
        if stage in heard:
            results.append(heard[stage])
        elif failed:
            results.append(_unreached(stage, failed))
        else:
            results.append(result(stage, "SKIP", "this format has no such rule"))
    return results


def summed(findings: Iterable[Finding]) -> dict[Stage | str, StageResult]:
    """One result for each stage that the findings name; of their number only so many are kept."""
    heard: dict[Stage | str, list[Finding]] = {}
    counts: Counter[Stage | str] = Counter()
    for finding in findings:
        counts[finding.stage] += 1
        kept = heard.setdefault(finding.stage, [])
        if len(kept) < SHOWN or (finding.outcome == "FAIL" and all(f.outcome != "FAIL" for f in kept)):
            kept.append(finding)
    return {stage: _merged(stage, kept, counts[stage]) for stage, kept in heard.items()}


def _findings(path: Path, found: Format) -> Iterator[Finding]:
    """What the format says; should it raise for damage after all, that is a failure of the stage it had come to."""
    last: Stage | str = Stage.MAGIC
    try:
        for finding in found.validate(path):
            last = finding.stage
            yield finding
    except HubError as error:
        yield Finding(last, "FAIL", error.message, error.offset, error.tensor)
    except Exception as error:
        raise PluginError(f"raised {error!r} while validating", file=path, plugin=found.name) from error


def _merged(stage: Stage | str, findings: list[Finding], count: int) -> StageResult:
    first = min(findings, key=lambda f: ("FAIL", "PASS", "SKIP").index(f.outcome))
    failed = [f for f in findings if f.outcome == "FAIL"]
    more = f" (and {count - 1} more)" if len(failed) > 1 else ""
    return StageResult(stage, title(stage), first.outcome, _located(first) + more, count, tuple(findings))


def _located(finding: Finding) -> str:
    where = [f"tensor {finding.tensor!r}"] if finding.tensor is not None else []
    where += [f"byte {finding.offset}"] if finding.offset is not None else []
    return ": ".join([", ".join(where), finding.detail] if where else [finding.detail])


def _unreached(stage: Stage, failed: StageResult) -> StageResult:
    return result(stage, "SKIP", f"not reached: {failed.title.lower()} failed")
