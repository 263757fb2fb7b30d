"""The models among the files: what each is, by its own reader, and whether `hub check` lets it pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hub.errors import HubError, NoPlugin
from hub.inspection import Summary, summarize
from hub.opening import open_model
from hub.plugins import registry
from hub.verdicts import check
from hub_sources._shards import whole
from hub_sources.publishing._files import Lying, extensions

if TYPE_CHECKING:
    from hub.verdicts import CheckReport


@dataclass(frozen=True, slots=True)
class Checked:
    """A model that lies there: the file or folder `name`, what `hub check` found, what its reader says of it."""

    name: str
    format: str
    outcome: str
    passed: int
    failed: int
    skipped: int
    problem: str | None
    summary: Summary | None


def models(path: Path, lying: Lying) -> list[Checked]:
    """Every model among the files of `path`, checked; the inference stage is left to `hub check`."""
    return [_checked(where, where.relative_to(lying.root).as_posix()) for where in _places(path, lying)]


def _places(path: Path, lying: Lying) -> list[Path]:
    """The files and the folder to check: a folder that is one model together, and each file that is one by itself."""
    known = extensions()
    files = [n for n in lying.names if PurePosixPath(n).suffix.lower() in known]
    first = list({whole(n): lying.root / n for n in files}.values())
    if not path.is_dir():
        return first[:1]
    try:
        found = registry().find(path)
    except HubError:
        return first
    part = {p.resolve() for p in _parts(path, found.name)}
    return [path, *(p for p in first if p.resolve() not in part)]


def _parts(path: Path, name: str) -> Iterable[Path]:
    """The files that the folder `path` is read from; none when it cannot be read, which its check says."""
    from hub.inspection import stored_files

    try:
        return stored_files(registry().formats[name].read(path))
    except HubError:
        ends = registry().formats[name].extensions
        return [p for p in path.iterdir() if p.suffix.lower() in ends]


def _checked(where: Path, name: str) -> Checked:
    try:
        report = check(where, inference=False)
    except NoPlugin as error:
        return Checked(name, "?", "FAIL", 0, 0, 0, error.message, None)
    problem = _failed(report) if report.outcome == "FAIL" else None
    return Checked(
        name, report.format, report.outcome, report.passed, report.failed, report.skipped, problem, _summary(where)
    )


def _failed(report: CheckReport) -> str:
    stages = [f"{s.title}: {s.detail}" for s in report.stages if s.outcome == "FAIL"]
    return "; ".join(stages) or "no stage says anything about it"


def _summary(where: Path) -> Summary | None:
    """What its reader says; None for what cannot be opened."""
    try:
        return summarize(where, *open_model(where))
    except HubError:
        return None


def first_of(models: Sequence[Checked], key: str) -> Any:
    """What the first model that says anything about `key` says: of its metadata, else None."""
    for model in models:
        value = _metadata(model).get(key)
        if value not in (None, "", [], {}):
            return value
    return None


def _metadata(model: Checked) -> Mapping[str, Any]:
    return model.summary.metadata if model.summary else {}
