"""Any model as a GGUF file that llama.cpp can map."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hub import __version__
from hub.errors import HubError, UsageError
from hub.interface import Options
from hub.opening import open_model
from hub.pipeline import Progress, Request, convert
from hub.plugins import PluginInfo, registry
from hub_runtime.bridge._cache import Cache, about
from hub_runtime.bridge._records import Record, around, look, record
from hub_runtime.bridge._sound import refuse_damaged

Way = Literal["cache", "memory"]
MEMORY = Path("/dev/shm")  # noqa: S108  # a fresh folder is made in it


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
    path: Path | str,
    *,
    way: Way = "cache",
    assume: Sequence[str] = (),
    pre: str | None = None,
    progress: Progress | None = None,
    cache: Cache | None = None,
) -> Bridged:
    """The model at `path` as GGUF: itself when it is one, else converted once and kept.

    Nothing is re-encoded that llama.cpp can run; what it has no type for becomes the smallest type that holds every
    value. `way` "memory" converts onto tmpfs and keeps nothing. `assume` and `pre` state what the source does not.
    Every model is checked by hub's own readers first, once for as long as its files do not change: `DamagedFile` names
    what is wrong.
    """
    started = time.perf_counter()
    path, cache = Path(path).absolute(), cache or Cache.usual()
    name = registry().find(path).name
    if name == "gguf":
        if assume or pre or way == "memory":
            raise UsageError("--assume, --pre and --bridge have no effect on a GGUF: it is loaded as it is", file=path)
        _known_sound(path, name, cache, digests=False)
        return Bridged(path, path, name, False, time.perf_counter() - started)
    if way == "memory":
        return _in_memory(path, name, assume, pre, progress, cache)
    seen = _known_sound(path, name, cache, digests=True)

    def make(target: Path) -> dict[str, Any]:
        _convert(path, target, assume, pre, progress)
        if not look(path, name, seen)[1] and record(path, name, None, digests=True).files != seen.files:
            raise HubError("changed while it was read", file=path, hint="run it again")
        return about(path, name, time.time())

    entry, lock, made = cache.obtain(_key(seen, assume, pre), make)
    return Bridged(entry.path, path, name, made, time.perf_counter() - started, lock.close)


def _known_sound(path: Path, name: str, cache: Cache, *, digests: bool) -> Record:
    """The record of the model at `path`, whose files are found sound now or were and have not changed."""
    known = cache.records.get(path)
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


def _key(seen: Record, assume: Sequence[str], pre: str | None) -> str:
    """What the GGUF depends on: the bytes and names of the files, what was stated, and the programs that convert."""
    folder = Path(seen.source) if Path(seen.source).is_dir() else Path(seen.source).parent
    files = [(str(Path(f.path).relative_to(folder)), f.size, f.digest) for f in seen.files]
    programs = [__version__, *(_version(p) for p in registry().plugins if {"gguf", seen.format} & set(p.formats))]
    facts = {"format": seen.format, "files": files, "assume": list(assume), "pre": pre, "programs": programs}
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _version(plugin: PluginInfo) -> str:
    return f"{plugin.distribution} {plugin.version}"


def _convert(path: Path, target: Path, assume: Sequence[str], pre: str | None, progress: Progress | None) -> None:
    convert(Request(path, target, to="gguf", assume=assume, options=Options(pre=pre)), progress)


def _in_memory(
    path: Path, name: str, assume: Sequence[str], pre: str | None, progress: Progress | None, cache: Cache
) -> Bridged:
    started = time.perf_counter()
    if not MEMORY.is_dir():
        raise UsageError(f"--bridge memory needs a tmpfs at {MEMORY}, which this system does not have")
    _known_sound(path, name, cache, digests=False)
    needed, free = open_model(path, name)[1].nbytes, shutil.disk_usage(MEMORY).free
    if needed > free * 0.9:
        raise UsageError(f"the model takes {needed} bytes, {MEMORY} has {free} free", hint="--bridge cache")
    folder = Path(tempfile.mkdtemp(prefix="hub-", dir=MEMORY))

    def release() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    try:
        _convert(path, folder / "model.gguf", assume, pre, progress)
    except BaseException:
        release()
        raise
    return Bridged(folder / "model.gguf", path, name, True, time.perf_counter() - started, release)
