"""Any model as a GGUF file that llama.cpp can map."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from hub import __version__
from hub.embedded import embedded
from hub.errors import HubError, UsageError
from hub.interface import Options
from hub.ir import Model
from hub.opening import open_model
from hub.pipeline import Progress, Request, convert
from hub.plugins import PluginInfo, registry
from hub_runtime.bridge._cache import Cache, about
from hub_runtime.bridge._digest import digest_of
from hub_runtime.bridge._records import FileRecord, Record, around, look, record
from hub_runtime.bridge._sound import refuse_damaged

Way = Literal["cache", "memory"]
MEMORY = Path("/dev/shm")  # noqa: S108  # a fresh folder is made in it
SMALL = 64 << 20  # bytes of a model in memory that are written to tmpfs faster than a cache would pay
IN_MEMORY = "memory"  # what a model that comes from no file is called


@dataclass
class Bridged:
    """The GGUF file at `path`; it stays until `close`, which a loaded model outlives.

    `source` and `format` say what it was made of; `made` whether that happened now, in `seconds`.
    """

    path: Path
    source: Path
    format: str
    made: bool
    seconds: float
    _release: Callable[[], None] = lambda: None

    def __enter__(self) -> Bridged:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go: it may be removed now."""
        self._release()


def as_gguf(
    source: Path | str | Model,
    *,
    way: Way | None = None,
    assume: Sequence[str] = (),
    pre: str | None = None,
    progress: Progress | None = None,
    cache: Cache | None = None,
) -> Bridged:
    """The model at `source`, or in memory, as GGUF: itself when it is a GGUF file, else converted once and kept.

    A file that embeds a GGUF (`hub.embedded`) is one too, and every byte of it is held to its digest each time.

    Nothing is re-encoded that llama.cpp can run; what it has no type for becomes the smallest type that holds every
    value. `way` "memory" converts onto tmpfs and keeps nothing; without a `way` that is what becomes of a small model
    in memory (`SMALL`), and all others are cached. `assume` and `pre` state what the source does not. Every model is
    checked by hub's own readers first, one in a file once for as long as it does not change: `DamagedFile` names what
    is wrong.
    """
    stated = Stated(assume, pre, progress)
    if isinstance(source, Model):
        return _of_model(source, way, stated, cache or Cache.usual())
    return _of_file(Path(source).absolute(), way or "cache", stated, cache or Cache.usual())


@dataclass(frozen=True)
class Stated:
    """What `as_gguf` was told beside the model, and whom to tell how far it is."""

    assume: Sequence[str] = ()
    pre: str | None = None
    progress: Progress | None = None

    def convert(self, source: Path | Model, target: Path) -> None:
        """Write the GGUF of `source` at `target`."""
        request = Request(source, target, to="gguf", assume=self.assume, options=Options(pre=self.pre))
        convert(request, self.progress)


def _of_file(path: Path, way: Way, stated: Stated, cache: Cache) -> Bridged:
    started = time.perf_counter()
    known = cache.records.get(path)
    name = _format_of(path, known)
    if name == "gguf":
        if stated.assume or stated.pre or way == "memory":
            raise UsageError("--assume, --pre and --bridge have no effect on a GGUF: it is loaded as it is", file=path)
        inside = embedded(path)
        if inside is None:
            _known_sound(path, name, known, cache, digests=False)
        else:  # it was checked before it was put there, and is the same as long as its digest is
            inside.check()
        return Bridged(path, path, name, False, time.perf_counter() - started)
    if way == "memory":
        _known_sound(path, name, known, cache, digests=False)
        made = _on_tmpfs(open_model(path, name)[1].nbytes, lambda target: stated.convert(path, target))
        return Bridged(made, path, name, True, time.perf_counter() - started, partial(_remove, made.parent))
    seen = _known_sound(path, name, known, cache, digests=True)

    def make(target: Path) -> dict[str, Any]:
        stated.convert(path, target)
        if not look(path, name, seen)[1] and record(path, name, None, digests=True).files != seen.files:
            raise HubError("changed while it was read", file=path, hint="run it again")
        return about(path, name, time.time())

    entry, lock, new = cache.obtain(_key(name, _files(seen), stated), make)
    return Bridged(entry.path, path, name, new, time.perf_counter() - started, lock.close)


def _of_model(model: Model, way: Way | None, stated: Stated, cache: Cache) -> Bridged:
    """A model in memory: the file that is made is checked, as there is none before."""
    started = time.perf_counter()
    source, name = model.path or Path(IN_MEMORY), IN_MEMORY

    def make(target: Path) -> dict[str, Any]:
        stated.convert(model, target)
        refuse_damaged(target)
        return about(source, name, time.time())

    if way == "memory" or (way is None and model.nbytes <= min(SMALL, _free())):
        made = _on_tmpfs(model.nbytes, make)
        return Bridged(made, source, name, True, time.perf_counter() - started, partial(_remove, made.parent))
    entry, lock, new = cache.obtain(_key(name, digest_of(model), stated), make)
    return Bridged(entry.path, source, name, new, time.perf_counter() - started, lock.close)


def _format_of(path: Path, known: Record | None) -> str:
    """The format of the model at `path`: the known one while the file has not changed, else told by its content."""
    if known is not None and known.format in registry().formats and path.is_file() and known.holds(FileRecord.of(path)):
        return known.format
    return registry().find(path).name


def _known_sound(path: Path, name: str, known: Record | None, cache: Cache, *, digests: bool) -> Record:
    """The record of the model at `path`, whose files are found sound now or were, as `known` says, and are the same."""
    if known is not None and known.format != name:
        known = None
    now, same = look(path, name, known)
    if known is not None and same and known.around == around(path) and (known.complete or not digests):
        return known
    if not same:
        refuse_damaged(path)
    seen = record(path, name, known, digests=digests)
    if [replace(f, digest=None) for f in seen.files] != now:
        raise HubError("changed while it was read", file=path, hint="run it again")
    cache.records.put(path, seen)
    return seen


def _files(seen: Record) -> list[tuple[str, int, str | None]]:
    """The files of a model: names, sizes and digests."""
    folder = Path(seen.source) if Path(seen.source).is_dir() else Path(seen.source).parent
    return [(os.path.relpath(f.path, folder), f.size, f.digest) for f in seen.files]


def _key(name: str, content: object, stated: Stated) -> str:
    """What the GGUF depends on: the content of the source, what was stated, and the programs that convert."""
    programs = [__version__, *(_version(p) for p in registry().plugins if {"gguf", name} & set(p.formats))]
    told = {"assume": list(stated.assume), "pre": stated.pre}
    facts = {"format": name, "content": content, **told, "programs": programs}
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _version(plugin: PluginInfo) -> str:
    return f"{plugin.distribution} {plugin.version}"


def _on_tmpfs(needed: int, make: Callable[[Path], object]) -> Path:
    """What `make` wrote into a fresh folder on tmpfs, where `needed` bytes must be free."""
    if not MEMORY.is_dir():
        raise UsageError(f"--bridge memory needs a tmpfs at {MEMORY}, which this system does not have")
    if needed > _free():
        raise UsageError(f"the model takes {needed} bytes, {MEMORY} has {_free()} for it", hint="--bridge cache")
    folder = Path(tempfile.mkdtemp(prefix="hub-", dir=MEMORY))
    try:
        make(folder / "model.gguf")
    except BaseException:
        _remove(folder)
        raise
    return folder / "model.gguf"


def _free() -> int:
    """Bytes that a model may take on tmpfs: nine tenths of what is free."""
    return shutil.disk_usage(MEMORY).free * 9 // 10 if MEMORY.is_dir() else 0


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
