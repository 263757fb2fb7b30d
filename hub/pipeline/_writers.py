"""Who writes the tensors of a conversion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hub import __version__
from hub.errors import UsageError
from hub.ir import Model
from hub.pipeline._copy import Copier, Progress
from hub.pipeline._journal import Journal
from hub.pipeline._prepare import Prepared, Request
from hub.pipeline._shares import grain

HERE = "thread"
"""The executor that is no other process."""


def _elsewhere(request: Request) -> str | None:
    """The executor, when it is another process."""
    return None if request.executor == HERE else request.executor


def check_spread(request: Request) -> None:
    """`UsageError` when executor and resume cannot have an effect on this request."""
    flag = "--executor" if _elsewhere(request) else "--resume" if request.resume else None
    if flag and request.options.compression:
        raise UsageError(f"{flag} has no effect with --compression: tensors are packed one after the other, here")
    if flag and isinstance(request.source, Model):
        raise UsageError(f"{flag} takes a path: a model in memory cannot be read again")


@contextmanager
def copying(request: Request, made: Prepared, progress: Progress) -> Iterator[Copier]:
    """Who writes the tensors of `request`, for the time of the block: threads, or what it asks for."""
    executor = _elsewhere(request)
    if executor is None and not request.resume:
        yield Copier(request.budget, progress)
        return
    from hub.pipeline._executors import Spread, engine  # starts slower than most conversions need

    with ExitStack() as stack:
        journal = stack.enter_context(Journal(request.target, _identity(request, made))) if request.resume else None
        workers = stack.enter_context(engine(executor, request.budget.jobs)) if executor else None
        yield Spread(request, made, progress, workers, journal)


def _identity(request: Request, made: Prepared) -> dict[str, Any]:
    """What has to be the same for the pieces of a conversion to be those of another; by words for the user."""
    options = {name: value for name, value in asdict(request.options).items() if name != "overwrite"}
    flags = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    return {
        "the version of hub": __version__,
        "the source": [_seen(path) for path in sorted(_files(request, made))],
        "the target's format": made.target.name,
        "--from": request.from_,
        "--encode": list(request.encode),
        "--assume": list(request.assume),
        "--imatrix": request.imatrix and _seen(request.imatrix),
        **flags,
        "the planned tensors": [made.fingerprint, grain(made.plan)],
    }


def _seen(path: Path) -> list[object]:
    """A file's name, and what changes when it does."""
    stat = path.stat()
    return [str(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _files(request: Request, made: Prepared) -> set[Path]:
    """The files that the source is read from."""
    from hub.inspection import stored_files
    from hub.signing import Reads

    path = request.path
    if path is None or made.source is None:
        return set()
    if path.is_dir():
        return {p for p in path.rglob("*") if p.is_file()}
    read = made.source.reads(path) if isinstance(made.source, Reads) else ()
    return {path, *read, *stored_files(made.model)}
