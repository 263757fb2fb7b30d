"""A model through several formats in turn, each step verified, the last result held against the beginning."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.errors import TargetExists, UsageError
from hub.interface import Format, Options
from hub.opening import loading
from hub.pipeline import Failed, Progress, Report, Request, convert
from hub.plugins import registry
from hub.verdicts import DiffReport, diff


@dataclass(frozen=True, slots=True)
class Link:
    """One format to go through, and the encodings asked for on the way into it, as `--encode` takes them."""

    format: str
    encode: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Link:
        """The link that "gguf" or "gguf:q8_0" spells; `UsageError` for a format that cannot be written."""
        name, colon, encoding = text.partition(":")
        if colon and not encoding:
            raise UsageError(f"{text!r} names no encoding behind the colon")
        return cls(_writable(name).name, (encoding,) if encoding else ())


@dataclass(frozen=True, slots=True)
class Step:
    """One conversion of a chain: from file to file, what the verification saw, and what it cost.

    `outcomes` counts tensors; `changed` are those whose values changed, `max_abs` by how much at most (None: by
    nothing); `dropped` the metadata that the format cannot hold. `failures` say how the result read back is not what
    was planned.
    """

    source: str
    target: str
    format: str
    nbytes: int | None
    seconds: float
    values: int
    outcomes: dict[str, int]
    changed: int
    max_abs: float | None
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    failures: tuple[str, ...]

    @property
    def lossless(self) -> bool:
        """True when every tensor was read back with the values it had."""
        return bool(self.values) and not (self.changed or self.failures)


@dataclass(frozen=True, slots=True)
class Chain:
    """What became of a model on its way. `comparison` holds the end against the source; None when a step failed.

    `passed`: the end is the beginning, within the tolerance. `lossless`: every value, configuration and tokenizer is.
    `work_dir` is where the results were left, None when they were removed.
    """

    source: str
    steps: tuple[Step, ...]
    comparison: DiffReport | None
    passed: bool
    lossless: bool
    reason: str
    work_dir: str | None


def usual_intermediate(source: Path) -> str:
    """The format to go through and back when none is named: SafeTensors, or GGUF for what is SafeTensors already."""
    return "gguf" if registry().find(source).name == "safetensors" else "safetensors"


def chain(
    source: Path,
    links: Sequence[Link],
    *,
    work_dir: Path | None = None,
    pre: str | None = None,
    tolerance: float = 0.0,
    back: bool = False,
    progress: Progress | None = None,
) -> Chain:
    """Convert `source` into the first of `links`, the result into the next, and compare the last with `source`.

    `back` adds the source's own format as the last link. `pre` names a pre-tokenizer for the formats that want one.
    Results stay in `work_dir`; without one they are removed as soon as they have been read. Errors are those of
    `hub.pipeline.convert`; a verification that fails ends the chain and is reported.
    """
    if back:
        links = [*links, Link(_writable(registry().find(source).name).name)]
    if pre is not None and not any("pre" in registry().named(link.format).supports for link in links):
        raise UsageError("--pre has no effect: no format on the way takes a pre-tokenizer")
    with loading(source, "convert"), _folder(source, links, work_dir) as targets:
        steps: list[Step] = []
        current = source
        for link, target in zip(links, targets, strict=True):
            steps.append(_step(current, target, link, pre, progress))
            if work_dir is None and current != source:
                _remove(current)
            current = target
            if steps[-1].failures:
                return _broken(source, steps, work_dir)
        with loading(current):
            compared = diff(source, current, tolerance=tolerance, progress=progress)
    exact = compared.equal and not compared.counts.within_tolerance
    where = None if work_dir is None else str(work_dir)
    return Chain(str(source), tuple(steps), compared, compared.equal, exact, compared.reason, where)


def _broken(source: Path, steps: list[Step], work_dir: Path | None) -> Chain:
    reason = f"step {len(steps)}: {steps[-1].failures[0]}"
    return Chain(str(source), tuple(steps), None, False, False, reason, None if work_dir is None else str(work_dir))


def _writable(name: str) -> Format:
    found = registry().named(name.lower())
    if not found.capabilities.writes:
        raise UsageError(f"{found.name} can be read, not written")
    return found


def _step(source: Path, target: Path, link: Link, pre: str | None, progress: Progress | None) -> Step:
    found = registry().named(link.format)
    options = Options(pre=pre if "pre" in found.supports else None)
    try:
        report = convert(Request(source, target, to=link.format, encode=link.encode, options=options), progress)
    except Failed as failed:
        report = failed.report
    return _said(report)


def _said(report: Report) -> Step:
    gaps = [line.max_abs for line in report.tensors if line.max_abs is not None]
    return Step(
        report.source.path,
        report.target.path,
        report.target.format,
        report.target.nbytes,
        round(report.seconds, 3),
        report.values,
        report.counts,
        len(gaps),
        max(gaps, default=None),
        tuple(sorted({fact.key for fact in report.facts if fact.fate == "dropped"})),
        tuple(report.notes),
        tuple(report.failures),
    )


@contextmanager
def _folder(source: Path, links: Sequence[Link], work_dir: Path | None) -> Iterator[list[Path]]:
    """Where each step writes to; in a folder of ours, which goes, or in `work_dir`, where what was made stays.

    What stops the block takes its results along. `TargetExists` when `work_dir` has one of them already.
    """
    if work_dir is None:
        with tempfile.TemporaryDirectory(prefix="hub-chain-") as folder:
            yield _targets(Path(folder), source, links)
        return
    targets, new = _targets(work_dir, source, links), not work_dir.exists()
    taken = next((target for target in targets if target.exists()), None)
    if taken is not None:
        raise TargetExists("exists already", file=taken, hint="name another --work-dir")
    work_dir.mkdir(parents=True, exist_ok=True)
    try:
        yield targets
    except BaseException:
        for target in targets:
            _remove(target)
        if new:
            work_dir.rmdir()
        raise


def _targets(folder: Path, source: Path, links: Sequence[Link]) -> list[Path]:
    """A name for each step: 1-model.safetensors, 2-model.apr; of a format without extension a folder, 3-model."""
    stem = source.absolute().stem.partition(".")[0] or "model"
    extensions = [registry().named(link.format).extensions for link in links]
    return [folder / f"{n}-{stem}{known[0] if known else ''}" for n, known in enumerate(extensions, 1)]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
