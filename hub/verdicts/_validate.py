"""What `hub validate` finds out: whether the file is sound and its values are those of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.errors import HubError, UnsupportedFile
from hub.inspection._numbers import counted
from hub.interface import Outcome
from hub.ir import Model, Tensor
from hub.opening import loading, open_model
from hub.pipeline import Progress
from hub.plugins import registry
from hub.statistics._stats import Scan, scan_all
from hub.verdicts._content import CHECKS, Context, Remark
from hub.verdicts._stages import structure


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its verdict, why, how many tensors it looked at, and its remarks on single tensors."""

    name: str
    outcome: Outcome
    detail: str
    tensors: int = 0
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """How many checks there are in all, how many ran, and how those that ran ended."""

    total: int
    ran: int
    passed: int
    failed: int
    skipped: int
    warnings: int
    notes: int


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """The verdict on structure and content. With `strict` a warning is a failure."""

    path: Path
    format: str
    valid: bool
    strict: bool
    score: Score
    checks: tuple[Check, ...]


def validate(path: Path, *, strict: bool = False, progress: Progress | None = None) -> ValidationReport:
    """Check the structure and every value of the model at `path`. Damage is a failed check, never an error."""
    with loading(path):
        found = registry().find(path)
        checks = [Check(str(s.stage), s.outcome, s.detail) for s in structure(path, found)]
        checks += _content(path, found.name, strict, progress)
    score = _score(checks)
    return ValidationReport(path, found.name, not score.failed and score.ran > 0, strict, score, tuple(checks))


def _content(path: Path, name: str, strict: bool, progress: Progress | None) -> list[Check]:
    try:
        model = open_model(path, name)[1]
    except UnsupportedFile as error:
        return _skipped(error.message)
    except HubError as error:
        return [Check("read", "FAIL", error.message), *_skipped("the model cannot be opened")[1:]]
    if not model.tensors:
        return _skipped("the model has no tensors")
    return list(_examine(model, strict, progress))


def _examine(model: Model, strict: bool, progress: Progress | None) -> Iterator[Check]:
    context = Context.of(model)
    remarks: dict[str, list[Remark]] = {name: [] for name in CHECKS}
    unread: list[Remark] = []
    undecoded: list[Remark] = []
    for tensor, scan in scan_all(model.tensors.values(), progress):
        if isinstance(scan, Scan):
            _apply(tensor, scan, context, remarks)
        elif isinstance(scan, UnsupportedFile):
            undecoded.append(Remark(tensor.name, "note", f"not looked into: {scan.message}"))
        else:
            unread.append(Remark(tensor.name, "fail", scan.message))
    looked = len(model.tensors) - len(unread) - len(undecoded)
    yield _judged("read", unread + undecoded, len(model.tensors), strict)
    for name, found in remarks.items():
        yield _judged(name, found, looked, strict) if looked else Check(name, "SKIP", "no tensor can be decoded")


def _apply(tensor: Tensor, scan: Scan, context: Context, remarks: dict[str, list[Remark]]) -> None:
    for name, check in CHECKS.items():
        remarks[name] += check(tensor, scan, context)


def _judged(name: str, remarks: list[Remark], looked: int, strict: bool) -> Check:
    grave = {"fail", "warning"} if strict else {"fail"}
    failed = [r for r in remarks if r.severity in grave]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        detail = f"{failed[0].tensor}: {failed[0].detail}{more}"
    else:
        mild = [counted(n, s) for s in ("warning", "note") if (n := sum(r.severity == s for r in remarks))]
        detail = ", ".join([counted(looked, "tensor"), *mild])
    return Check(name, "FAIL" if failed else "PASS", detail, looked, tuple(remarks))


def _skipped(reason: str) -> list[Check]:
    return [Check(name, "SKIP", reason) for name in ("read", *CHECKS)]


def _score(checks: list[Check]) -> Score:
    passed, failed, skipped = (sum(c.outcome == outcome for c in checks) for outcome in ("PASS", "FAIL", "SKIP"))
    remarks = [r.severity for c in checks for r in c.remarks]
    return Score(len(checks), passed + failed, passed, failed, skipped, remarks.count("warning"), remarks.count("note"))
