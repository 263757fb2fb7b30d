"""`hub cache`: the GGUF files made of other formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import emit, nbytes, say, table
from hub.errors import UsageError
from hub_runtime.commands import options as o

if TYPE_CHECKING:
    from hub_runtime.bridge import Cache

cache = typer.Typer(rich_markup_mode=None, add_completion=False)


@cache.callback()
def _cache() -> None:
    """List or remove the GGUF files made of other formats for llama.cpp."""


@cache.command()
def ls(as_json: o.Json = False) -> None:
    """List what is kept, the most recently used first."""
    from hub_runtime.bridge import Cache, as_document

    kept = Cache.usual()
    entries = kept.entries()
    total = sum(e.nbytes for e in entries)
    if as_json:
        listed = [as_document(e) for e in entries]
        emit("cache-ls", {"folder": kept.folder, "limit": kept.limit, "nbytes": total, "entries": listed})
        return
    rows = [(e.key, _size(e.nbytes), _when(e.used), e.format, e.source) for e in entries]
    table(("key", "size", "used", "format", "made of"), rows, " >")
    say(f"{len(entries)} files, {_size(total)} of at most {_size(kept.limit)}, in {kept.folder}")


@cache.command()
def rm(
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY...", help="Which entries; ls lists them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: o.Json = False,
) -> int:
    """Remove entries. Those in use stay, and make the exit code 1."""
    from hub_runtime.bridge import Cache

    kept = Cache.usual()
    if everything == bool(keys):
        raise UsageError("name the entries, or say --all")
    wanted = [e.key for e in kept.entries()] if everything else list(keys or ())
    unknown = sorted(set(wanted) - {e.key for e in kept.entries()})
    if unknown:
        raise UsageError(f"the cache has no entry {unknown[0]!r}", hint="hub cache ls lists them")
    sizes = {e.key: e.nbytes for e in kept.entries()}
    busy = [key for key in wanted if not kept.remove(key)]
    _report(kept, [(key, sizes[key]) for key in wanted if key not in busy], busy, as_json, "cache-rm")
    return int(bool(busy))


@cache.command()
def gc(
    limit: Annotated[str | None, typer.Option(metavar="SIZE", help="Keep at most this; the usual bound.")] = None,
    as_json: o.Json = False,
) -> None:
    """Remove leftovers, then the least recently used entries until the bound holds."""
    from hub_runtime.bridge import Cache

    kept = Cache.usual()
    size = nbytes(limit, "--limit")
    swept = kept.sweep()
    removed = [(e.key, e.nbytes) for e in kept.trim(size)]
    _report(kept, removed, [], as_json, "cache-gc", swept)


def _report(
    kept: Cache, removed: list[tuple[str, int]], busy: list[str], as_json: bool, name: str, swept: int = 0
) -> None:
    freed, left = sum(size for _, size in removed), sum(e.nbytes for e in kept.entries())
    if as_json:
        keys = [key for key, _ in removed]
        emit(name, {"removed": keys, "busy": busy, "leftovers": swept, "freed": freed, "nbytes": left})
        return
    say(f"removed {len(removed)} files of {_size(freed)} and {swept} leftovers; {_size(left)} are kept")
    for key in busy:
        say(f"{key} is in use and stays")


def _size(count: int) -> str:
    from rich.filesize import decimal

    return decimal(count)


def _when(moment: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(moment).isoformat(" ", "minutes")
