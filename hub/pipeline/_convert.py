"""One conversion, from a path or a model in memory to a path: read, plan, write, verify, move into place, report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hub import codecs
from hub.beside import Beside
from hub.errors import HubError, NotVerified, UsageError
from hub.events import fire, fire_each
from hub.interface import Fact, Format, Options, Plan, Stage
from hub.ir import Model
from hub.opening import Loading, loading
from hub.pipeline._copy import Progress, Silent
from hub.pipeline._encode import KEPT, reasons_of
from hub.pipeline._interrupts import interrupted_once
from hub.pipeline._leftovers import leftovers
from hub.pipeline._prepare import Prepared, Request, check_options, choose_format, guarded, prepare
from hub.pipeline._report import Outcome, Report, Side, TensorLine
from hub.pipeline._sink import Target
from hub.pipeline._verify import Verification, planned_changes, verify
from hub.pipeline._writers import check_spread, copying
from hub.plugins import extension


def convert(request: Request, progress: Progress | None = None) -> Report:
    """Convert `request.source` into `request.target`.

    Raises `HubError` when it cannot run, `Failed` (carrying `report`) when the result read back differs from the
    source; in both cases nothing is left at the target. `Unfinished` (carrying `report`) means that the target is in
    place, and that a plugin could not do what it does after that.
    """
    progress = progress or Silent()
    started = time.perf_counter()
    _distinct(request)
    target_format = choose_format(request.target, request.to)
    check_options(target_format, request.options)
    check_spread(request)
    folder = target_format.capabilities.folder and not extension(request.target)
    request = replace(request, options=replace(request.options, folder=folder))
    with _loading(request) as source, codecs.using(request.codec) as used:
        report, made = _converted(request, target_format, source, progress)
    report.codecs = used.document()
    report.seconds = time.perf_counter() - started
    if report.failures:
        raise Failed(report)
    if made:
        report.problems += _errors(fire_each("hub_after_write", report=report, paths=made))
    report.problems += _errors(fire_each("hub_after_convert", report=report))
    if report.problems:
        raise Unfinished(report)
    return report


@contextmanager
def _loading(request: Request) -> Iterator[Loading]:
    """A block of work on the source; a model in memory was let through when it was opened."""
    if isinstance(request.source, Model):
        yield Loading(())
        return
    with loading(request.source, "convert") as work:
        yield work


def _errors(answers: Iterable[tuple[str, object]]) -> list[str]:
    """What plugins raised when nothing could be stopped any more."""
    return [str(answer) for _, answer in answers if isinstance(answer, HubError)]


def _converted(
    request: Request, target_format: Format, source: Loading, progress: Progress
) -> tuple[Report, Sequence[Path]]:
    """The report, its time aside, and what is in place: the files, or the folder."""
    made = prepare(request, target_format)
    report = _planned(request, made)
    fire("hub_before_convert", plan=made.plan)
    if request.dry_run:
        return report, ()
    return report, _run(request, made, report, source, progress)


def _source_checksum(request: Request, source: Format | None) -> list[str]:
    """A note when the source has a checksum and it is wrong; readers of the format go on all the same, and so do we."""
    if source is None or not request.check or not isinstance(request.source, Path):
        return []
    found = [f for f in source.validate(request.source) if f.stage is Stage.CHECKSUM and f.outcome == "FAIL"]
    return [f"{request.source}: its checksum is wrong: {finding.detail}" for finding in found]


class Unfinished(HubError):
    """The target is in place, and a plugin failed in what it does after that; `report.problems` says which and how."""

    def __init__(self, report: Report) -> None:
        more = f" (and {len(report.problems) - 1} more)" if len(report.problems) > 1 else ""
        super().__init__(f"the conversion is done, and then: {report.problems[0]}{more}", file=report.target.path)
        self.report = report


class Failed(NotVerified):
    """The verification failed; `report` says where."""

    def __init__(self, report: Report) -> None:
        more = f" (and {len(report.failures) - 1} more)" if len(report.failures) > 1 else ""
        super().__init__(
            f"the result differs from the source: {report.failures[0]}{more}; nothing was written",
            file=report.target.path,
        )
        self.report = report


def _distinct(request: Request) -> None:
    path = request.path
    if path is not None and request.target.exists() and path.exists() and request.target.samefile(path):
        raise UsageError("source and target are the same", file=request.target)


def _run(request: Request, made: Prepared, report: Report, source: Loading, progress: Progress) -> Sequence[Path]:
    """Write, verify and move into place: the files made, or the folder; none when the result differs."""
    plan, fmt, options = made.plan, made.target, request.options
    progress.start("write", sum(p.tensor.nbytes for p in plan.tensors))
    if not request.resume:
        report.notes = [*report.notes, *leftovers(request.target)]
    with (
        interrupted_once(),
        copying(request, made, progress) as copier,
        Target(request.target, copier, folder=options.folder, overwrite=options.overwrite) as target,
    ):
        fire("hub_before_write", plan=plan, target=request.target)
        checksum = Beside(lambda: _source_checksum(request, made.source))
        guarded(fmt, lambda: fmt.write(plan, target, options), request.target)
        if request.codec is not None and request.codec not in codecs.in_use().names():
            raise UsageError(f"--codec {request.codec} has no effect: there is nothing here that it does")
        copier.check_effect()
        report.notes = [*report.notes, *copier.remarks]
        if request.check:
            started = time.perf_counter()
            back = guarded(fmt, lambda: fmt.read(target.primary))
            seen = verify(made.model, back, plan, fmt.capabilities, request.budget, progress)
            _record(report, seen)
            report.notes = [*report.notes, *checksum.result()]
            report.verify_seconds = time.perf_counter() - started
        report.target = replace(report.target, nbytes=target.nbytes)
        if options.compression:
            plain = sum(p.tensor.nbytes for p in plan.tensors)
            share = f"{target.nbytes / max(1, plain):.1%}"
            gain = f"{options.compression}: {plain:,} bytes of tensors take {target.nbytes:,} on the disk, {share}"
            report.notes = [*report.notes, gain]
        if report.failures:
            return ()
        source.finish()
        paths = target.commit()
    if request.target not in paths:
        report.notes = [*report.notes, f"written as {len(paths)} files, the first is {paths[0].name}"]
    return paths


def _planned(request: Request, made: Prepared) -> Report:
    model, plan, reasons, target = made.model, made.plan, made.reasons, made.target
    held: dict[str, list[str]] = {}
    for planned in plan.tensors:
        for name in planned.sources:
            held.setdefault(name, []).append(planned.tensor.name)
    encodings = {name: p.tensor.encoding.name for p in plan.tensors for name in p.sources}
    why = {name: p.reason for p in plan.tensors for name in p.sources if p.reason}
    changes = planned_changes(plan)
    lines = [
        TensorLine(
            name,
            tuple(held[name]),
            tensor.shape,
            tensor.encoding.name,
            encodings[name],
            "planned" if request.dry_run else "not verified",
            "; ".join(filter(None, [reasons_of([name], reasons), why.get(name, "")])) or str(changes[name]),
        )
        for name, tensor in model.tensors.items()
        if name in held
    ]
    notes = [*model.notes, *plan.notes, *_kept(reasons), *_too_large(plan, request.options), *made.notes]
    if not request.check and not request.dry_run:
        notes.append("--no-verify: nothing was verified")
    return Report(
        _side(request, made.source, model),
        Side(str(request.target), target.name, None),
        lines,
        facts=[*plan.facts, *(Fact(d, "dropped", f"{target.title} cannot hold it") for d in sorted(target.drops))],
        notes=notes,
        unmapped=list(plan.unmapped),
        target_only=[p.tensor.name for p in plan.tensors if not p.sources],
        dry_run=request.dry_run,
    )


def _kept(reasons: Mapping[str, str]) -> list[str]:
    """A note on tensors that a rule names and cannot encode, for each reason."""
    counts = Counter(reason for reason in reasons.values() if reason.startswith(KEPT))
    return [f"{n} tensors {reason}" for reason, n in counts.items()]


def _too_large(plan: Plan, options: Options) -> list[str]:
    """A note on tensors that no shard of the size asked for holds: each lies in a larger one."""
    large = [p.tensor.nbytes for p in plan.tensors if options.shard_size and p.tensor.nbytes > options.shard_size]
    return [f"{len(large)} tensors are larger than --shard-size, the largest has {max(large)} bytes"] if large else []


def _record(report: Report, seen: Verification) -> None:
    report.verified = True
    report.failures += seen.failures
    report.values = seen.values
    report.tensors = [_measured(line, seen) for line in report.tensors]


def _measured(line: TensorLine, seen: Verification) -> TensorLine:
    outcome: Outcome = seen.outcomes.get(line.name, "FAILED")
    compared = seen.comparisons.get(line.name)
    if compared is None or compared.equal:
        return replace(line, outcome=outcome)
    return replace(line, outcome=outcome, max_abs=compared.max_abs, rmse=compared.rmse, cosine=compared.cosine)


def _side(request: Request, source: Format | None, model: Model) -> Side:
    """The source; of a split one, whose first part is what the path names, at least the bytes of the tensors count."""
    if source is None or request.path is None:
        return Side(str(request.path or "(in memory)"), "memory", model.nbytes)
    return Side(str(request.path), source.name, max(_size(request.path), model.nbytes))


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size
