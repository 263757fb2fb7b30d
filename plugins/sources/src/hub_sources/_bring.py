"""Bringing a model into place: fetched beside the target, held to the policy, then moved or converted."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hub.errors import HubError, TargetExists, UsageError
from hub.interface import Options
from hub.opening import loading, open_model
from hub.pipeline import (
    Copier,
    Progress,
    Report,
    Request,
    Silent,
    Target,
    choose_format,
    convert,
    default_budget,
    interrupted_once,
)
from hub.plugins import extension, registry
from hub.recipes import RECIPES
from hub_sources._local import local_path
from hub_sources._quantizations import normal
from hub_sources._shards import shards
from hub_sources._sources import files_of, obtained, source_of
from hub_sources.interface import Obtained, Part, Wish


@dataclass(frozen=True)
class Order:
    """What the user asked for. `output` is a file, a folder to make, or one that is there and gets the model inside.

    Without it the model keeps its name, in the working directory. `converts`: another format at `output` is converted.
    """

    address: str
    output: Path | None = None
    quantization: str | None = None
    converts: bool = True
    offline: bool = False
    force: bool = False


@dataclass(frozen=True)
class Brought:
    """What came: from which source and revision, as which format, where it lies, and every file with its digest."""

    address: str
    source: str
    revision: str | None
    path: Path
    format: str
    nbytes: int
    parts: tuple[Part, ...]
    conversion: Report | None
    seconds: float
    notes: tuple[str, ...] = field(default=())


def bring(order: Order, progress: Progress | None = None) -> Brought:
    """Fetch the model at `order.address`, convert it when its target wants another format, and put it into place.

    `HubError` when that cannot be, `NotVerified` when the bytes are not those announced, `BadSignature` when the policy
    (trust.toml) refuses the model; in all cases nothing is left at the target.
    """
    progress, started = progress or Silent(), time.perf_counter()
    source, wanted = source_of(order.address), _wanted(order)
    if source.name == "file" and order.converts and wanted is not None:
        straight = _straight(order, wanted, progress)
        if straight is not None:
            return straight
    encodes = order.converts and wanted is not None
    wish = Wish(order.quantization, wanted, encodes, order.offline, progress)
    with _stage(order) as stage:
        got = obtained(source, order.address, stage, wish)
        found, target = registry().find(got.path), _target(order, got.path)
        if _differs(order, got, found.name, wanted):
            path, report = target, _converted(order, got.path, target, got.encode, progress)
            name, nbytes = report.target.format, report.target.nbytes or 0
        else:
            path, report, name = _placed(order, got, target), None, found.name
            nbytes = sum(part.nbytes for part in got.parts)
    took = time.perf_counter() - started
    return Brought(order.address, source.name, got.revision, path, name, nbytes, got.parts, report, took, got.notes)


def _wanted(order: Order) -> str | None:
    """The format that the target's name asks for; None when it says nothing. Errors come before anything is fetched."""
    output = order.output
    if output is None or output.is_dir():
        return None
    if not output.absolute().parent.is_dir():
        raise HubError("the folder to write into does not exist", file=output.parent, hint="create it first")
    if output.exists() and not order.force:
        raise TargetExists("exists already", file=output, hint="--force replaces it")
    if not order.converts and not extension(output):
        return None
    return choose_format(output, None).name


def _straight(order: Order, wanted: str, progress: Progress) -> Brought | None:
    """A model on the own disk that is converted needs no copy; None when it is not."""
    started, path = time.perf_counter(), local_path(order.address)
    encode = None if order.quantization is None else normal(order.quantization)
    if registry().find(path).name == wanted and encode is None:
        return None
    if order.offline:
        raise UsageError("--offline has no effect on a file", file=path)
    if encode is not None and encode not in RECIPES:
        raise UsageError(f"--quantization: no recipe {encode!r}", hint=f"there are {', '.join(RECIPES)}")
    target = order.output or path
    report = _converted(order, path, target, encode, progress)
    nbytes, took = report.target.nbytes or 0, time.perf_counter() - started
    return Brought(order.address, "file", None, target, wanted, nbytes, (), report, took)


@contextmanager
def _stage(order: Order) -> Iterator[Path]:
    """A hidden folder on the disk of the target that nobody else can look into, gone when the block ends."""
    output = order.output or Path()
    beside = output if output.is_dir() else output.absolute().parent
    with interrupted_once():
        stage = tempfile.mkdtemp(prefix=".hub-", suffix=".tmp", dir=beside)
        try:
            yield Path(stage)
        except HubError as error:  # by the name that it came under: the hidden folder is gone when this is read
            inside = (error.file or "").partition(f"{stage}{os.sep}")[2]
            error.file = f"{order.address} ({inside})" if inside else error.file
            raise
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _target(order: Order, path: Path) -> Path:
    output = order.output or Path()
    return output / path.name if output.is_dir() else output


def _differs(order: Order, got: Obtained, found: str, wanted: str | None) -> bool:
    """True when what came is not what the target's name asks for, so that it is converted."""
    if wanted is None:
        return False
    split = len(shards(got.path.name)) > 1
    same = wanted == found and got.path.is_dir() == (not extension(order.output or Path())) and not split
    if same and got.encode is None:
        return False
    if not order.converts:
        came = f"{len(shards(got.path.name))} parts of {found}" if split else found
        raise UsageError(
            f"{came} came, and pull changes nothing", file=order.output, hint="hub import converts; -o FOLDER keeps"
        )
    return True


def _converted(order: Order, source: Path, target: Path, encode: str | None, progress: Progress) -> Report:
    options = Options(overwrite=order.force)
    return convert(Request(source, target, encode=(encode,) if encode else (), options=options), progress)


def _placed(order: Order, got: Obtained, target: Path) -> Path:
    """Move the model into place as it is, once the policy lets it through and its format can read it."""
    with loading(got.path, "convert"):
        open_model(got.path, use="convert")
    single = got.path.is_file()
    root = got.path.parent if single else got.path
    folder = not single or not extension(target)
    with Target(target, Copier(default_budget(), Silent()), folder=folder, overwrite=order.force) as out:
        for file in files_of(root):
            name = file.relative_to(root).as_posix()
            if not folder and name.startswith(got.path.name):  # the file itself, and its signature
                name = target.name + name.removeprefix(got.path.name)
            file.replace(out.create(name))
        out.commit()
    return target / got.path.name if folder and single else target
