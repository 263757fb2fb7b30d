"""One conversion, from a path or a model in memory to a path: read, plan, write, verify, move into place, report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from hub import codecs
from hub.errors import HubError, NotVerified, PluginError, UnmappedTensor, UsageError
from hub.events import fire, fire_each
from hub.interface import Fact, Format, Options, Plan, Stage
from hub.ir import PRE_TOKENIZERS, Lazy, Model, Tokenizer
from hub.opening import Loading, loading, open_model
from hub.pipeline._copy import Budget, Copier, Progress, Silent, default_budget
from hub.pipeline._encode import KEPT, Rule, check_effect, encoded, reasons_of
from hub.pipeline._facts import check_facts
from hub.pipeline._report import Outcome, Report, Side, TensorLine
from hub.pipeline._sink import Target
from hub.pipeline._verify import Verification, planned_changes, verify
from hub.plugins import extension, registry
from hub.recipes import read_importance

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What the user asked for. `encode` holds texts as `--encode` takes them, `assume` as `--assume` does.

    `source` is a path, or a model that is in memory already: `from_` and `assume` are for paths alone.
    """

    source: Path | Model
    target: Path
    from_: str | None = None
    to: str | None = None
    encode: Sequence[str] = ()
    assume: Sequence[str] = ()
    imatrix: Path | None = None
    codec: str | None = None
    allow_unmapped: bool = False
    check: bool = True
    dry_run: bool = False
    options: Options = field(default_factory=Options)
    budget: Budget = field(default_factory=default_budget)

    @property
    def path(self) -> Path | None:
        """Where the source is read from; None for a model in memory that came from nowhere."""
        return self.source.path if isinstance(self.source, Model) else self.source


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
    _check_options(target_format, request.options)
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


def _opened(request: Request) -> tuple[Format | None, Model]:
    """The model to convert, and the format it is read with; None for one in memory."""
    if isinstance(request.source, Path):
        return open_model(request.source, request.from_, request.assume, use="convert")
    if request.from_ or request.assume:
        raise UsageError("from_ and assume have no effect on a model in memory")
    return None, request.source


def _errors(answers: Iterable[tuple[str, object]]) -> list[str]:
    """What plugins raised when nothing could be stopped any more."""
    return [str(answer) for _, answer in answers if isinstance(answer, HubError)]


def _converted(
    request: Request, target_format: Format, source: Loading, progress: Progress
) -> tuple[Report, Sequence[Path]]:
    """The report, its time aside, and what is in place: the files, or the folder."""
    source_format, opened = _opened(request)
    model = _told(opened, request.options.pre)
    if source_format is not target_format:
        check_facts(model)
    rules = [Rule.parse(text) for text in request.encode]
    importance = None if request.imatrix is None else read_importance(request.imatrix)
    wanted, reasons, said = encoded(model, rules, importance)
    options = replace(request.options, recipe=next((r.name for r in reversed(rules) if r.recipe), None))
    plan = _guarded(target_format, lambda: target_format.plan(wanted, options), request.path)
    check_effect(rules, model, wanted, plan)
    _check_mapped(plan, model, source_format, request)
    report = _planned(request, source_format, target_format, model, plan, reasons)
    report.notes = [*report.notes, *said]
    fire("hub_before_convert", plan=plan)
    if request.dry_run:
        return report, ()
    if request.check and source_format is not None and isinstance(request.source, Path):
        report.notes = [*report.notes, *_source_checksum(source_format, request.source)]
    return report, _run(request, target_format, model, plan, report, source, progress)


def _source_checksum(source: Format, path: Path) -> list[str]:
    """A note when the source has a checksum and it is wrong; readers of the format go on all the same, and so do we."""
    found = [f for f in source.validate(path) if f.stage is Stage.CHECKSUM and f.outcome == "FAIL"]
    return [f"{path}: its checksum is wrong: {finding.detail}" for finding in found]


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


def _told(model: Model, pre: str | None) -> Model:
    """`model` with the pre-tokenizer that the user names, so that the result is held to that name as well."""
    if pre is None:
        return model

    def renamed() -> Tokenizer | None:
        tokenizer = model.tokenizer.get()
        return tokenizer and replace(tokenizer, pre=pre)

    return replace(model, tokenizer=Lazy(renamed))


def choose_format(path: Path, to: str | None) -> Format:
    """The format to write: `to`, or what the extension says; `UsageError` when the two contradict."""
    by_name = registry().named(to) if to else None
    by_path = registry().by_extension(path)
    suffix = extension(path)
    if by_name is None and path.is_dir():
        misnamed = next((f for f in registry().formats.values() if path.suffix.lower() in f.extensions), None)
        if misnamed is not None:
            where = f"is a folder, and named as a {misnamed.title or misnamed.name} file"
            raise UsageError(where, file=path, hint="say with --to what to write into it")
    if by_name is None and by_path is None:
        raise UsageError(f"{suffix or 'a folder'} is no installed format's", file=path, hint="say which with --to")
    if by_name and suffix and by_path is not by_name and (by_path or by_name.extensions):
        wanted = " or ".join(by_name.extensions)
        raise UsageError(f"--to {by_name.name} writes {wanted}, not {suffix}", file=path)
    chosen = by_name or by_path
    if chosen is None or not chosen.capabilities.writes:
        raise UsageError(f"{chosen.name if chosen else to} can be read, not written", file=path)
    return chosen


def _distinct(request: Request) -> None:
    path = request.path
    if path is not None and request.target.exists() and path.exists() and request.target.samefile(path):
        raise UsageError("source and target are the same", file=request.target)


def _check_options(target: Format, options: Options) -> None:
    """A flag that would have no effect is an error."""
    flags = {
        "shard_size": ("--shard-size", options.shard_size is not None),
        "portable": ("--portable", options.portable),
        "compression": ("--compression", options.compression is not None),
        "pre": ("--pre", options.pre is not None),
    }
    for name, (flag, given) in flags.items():
        if given and name not in target.supports:
            raise UsageError(f"{flag} has no effect on {target.name}")
    if options.pre is not None and options.pre not in PRE_TOKENIZERS:
        near = get_close_matches(options.pre, PRE_TOKENIZERS, 5, 0.3) or sorted(PRE_TOKENIZERS)
        raise UsageError(f"--pre: llama.cpp knows no pre-tokenizer {options.pre!r}", hint=f"near: {', '.join(near)}")


def _check_mapped(plan: Plan, model: Model, source: Format | None, request: Request) -> None:
    """Every tensor has a place in the target, and a name that says what it is; or the user allows that it has not."""
    foreign = model.unnamed if source is None or source.name != plan.format else ()
    odd = [*plan.unmapped, *(name for name in foreign if name not in plan.unmapped)]
    if odd and not request.allow_unmapped:
        shown = ", ".join(odd[:3]) + (" ..." if len(odd) > 3 else "")
        raise UnmappedTensor(
            f"{len(odd)} of {len(model.tensors)} tensors have no place in {plan.format}: {shown}",
            file=request.path,
            hint="--allow-unmapped goes on without a name for them",
        )
    if request.allow_unmapped and not odd:
        raise UsageError("--allow-unmapped has no effect: every tensor is mapped")


def _run(
    request: Request, fmt: Format, model: Model, plan: Plan, report: Report, source: Loading, progress: Progress
) -> Sequence[Path]:
    """Write, verify and move into place: the files made, or the folder; none when the result differs."""
    progress.start("write", sum(p.tensor.nbytes for p in plan.tensors))
    copier = Copier(request.budget, progress)
    options = request.options
    with Target(request.target, copier, folder=options.folder, overwrite=options.overwrite) as target:
        fire("hub_before_write", plan=plan, target=request.target)
        _guarded(fmt, lambda: fmt.write(plan, target, options), request.target)
        if request.codec is not None and request.codec not in codecs.in_use().names():
            raise UsageError(f"--codec {request.codec} has no effect: there is nothing here that it does")
        if request.check:
            started = time.perf_counter()
            back = _guarded(fmt, lambda: fmt.read(target.primary))
            seen = verify(model, back, plan, fmt.capabilities, request.budget, progress)
            _record(report, seen)
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
        made = target.commit()
    if request.target not in made:
        report.notes = [*report.notes, f"written as {len(made)} files, the first is {made[0].name}"]
    return made


def _guarded(fmt: Format, work: Callable[[], T], file: Path | None = None) -> T:
    """Run a plugin's code; its errors carry its name, and `file` where they name none."""
    try:
        return work()
    except HubError as error:
        error.plugin = error.plugin or fmt.name
        error.file = error.file or (str(file) if file else None)
        raise
    except OSError as error:
        where = error.filename or file
        raise HubError(f"writing failed: {error.strerror or error}", file=where, plugin=fmt.name) from error
    except Exception as error:  # whatever a stranger's plugin raises becomes one line that names it
        raise PluginError(f"raised {error!r}", file=file, plugin=fmt.name) from error


def _planned(
    request: Request, source: Format | None, target: Format, model: Model, plan: Plan, reasons: dict[str, str]
) -> Report:
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
    notes = [*model.notes, *plan.notes, *_kept(reasons), *_too_large(plan, request.options)]
    if not request.check and not request.dry_run:
        notes.append("--no-verify: nothing was verified")
    return Report(
        _side(request, source, model),
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
