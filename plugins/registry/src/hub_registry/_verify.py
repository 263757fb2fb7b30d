"""Whether the store is what it says: every blob hashed again, every name followed, the history read to its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from hub.errors import HubError
from hub.pipeline import Progress
from hub_registry._bytes import digest_file
from hub_registry._history import positions
from hub_registry._index import Index
from hub_registry._lease import Lease, leased
from hub_registry._manifest import Blob, Manifest, parsed
from hub_registry._names import Name
from hub_registry._store import Store
from hub_registry._views import views

Wrong: TypeAlias = Literal["missing", "altered", "unreadable", "history", "view", "stray"]
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: with which blob or file, and which names it takes down."""

    wrong: Wrong
    what: str
    detail: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` went through, and what it found."""

    names: tuple[str, ...]
    blobs: int
    nbytes: int
    problems: tuple[Problem, ...]


def check(store: Store, name: Name | None, progress: Progress) -> Checked:
    """Hash every blob of `name`'s manifest, or of the whole store, and hold each to its digest and size.

    The whole store also means blobs that nothing leads to, the history, and the views. Adding, pulling and gc may go
    on meanwhile: what is to be read is claimed first.
    """
    try:
        store.index()
    except HubError as error:
        return Checked((), 0, 0, (Problem("unreadable", error.file or "", error.message),))
    with leased(store) as lease:
        index, expected = _claimed(store, lease, name)
        progress.start("verify", sum(blob.size for blob, _ in expected.values()))
        problems = [p for blob, names in expected.values() for p in _blob(store, blob, names, progress.advance)]
        nbytes = sum(blob.size for blob, _ in expected.values())
        if name is None:
            problems += [*_stray(store, expected.keys()), *_history(store, index), *_views(store)]
    told = tuple(index.names) if name is None else (str(name),)
    return Checked(told, len(expected), nbytes, tuple(problems))


Expected: TypeAlias = dict[str, tuple[Blob, tuple[str, ...]]]


def _claimed(store: Store, lease: Lease, name: Name | None) -> tuple[Index, Expected]:
    """Every blob that is to be there, with the names that lead to it."""
    expected: Expected = {}
    before = store.index()
    digests = before.digests if name is None else {store.digest(name, before)}
    for digest in digests:  # what is claimed and listed, gc leaves alone with all that it names
        lease.claim(digest)
    index = store.index()
    for digest in sorted(digests & index.digests):
        names = tuple(n for n, d in index.names.items() if d == digest)
        size = index.descriptor(digest).get("size", 0)
        for blob in (Blob(digest, size, ""), *_named(store, digest)):
            _, known = expected.get(blob.digest, (blob, ()))
            expected[blob.digest] = blob, tuple(sorted({*known, *names}))
    return index, expected


def _named(store: Store, digest: str) -> Sequence[Blob]:
    """The blobs of a manifest; none of one that is damaged, which `_blob` says."""
    try:
        return store.manifest(digest).blobs
    except HubError:
        return ()


def _blob(store: Store, blob: Blob, names: tuple[str, ...], advance: Callable[[int], None]) -> Iterator[Problem]:
    path = store.path(blob.digest)
    try:
        size = path.stat().st_size
        found = digest_file(path, advance)
    except FileNotFoundError:
        yield Problem("missing", blob.digest, f"{_called(blob)}is not in the store", names)
    except OSError as error:
        yield Problem("unreadable", blob.digest, f"{_called(blob)}cannot be read: {error.strerror}", names)
    else:
        if found != blob.digest:
            yield Problem("altered", blob.digest, f"{_called(blob)}has the digest {found}", names)
        elif size != blob.size:
            yield Problem("altered", blob.digest, f"{_called(blob)}has {size:,} bytes, not {blob.size:,}", names)
        elif not blob.media_type:  # a manifest whose bytes are right
            yield from _manifest(path, blob, names)


def _manifest(path: Path, blob: Blob, names: tuple[str, ...]) -> Iterator[Problem]:
    try:
        parsed(path.read_bytes(), blob.digest).files()
    except HubError as error:
        yield Problem("unreadable", blob.digest, error.message, names)


def _called(blob: Blob) -> str:
    return f"{blob.path} " if blob.path else ""


def _stray(store: Store, known: Collection[str]) -> Iterator[Problem]:
    """What lies among the blobs and is none, or is one that no name leads to and is damaged."""
    for path in sorted(store.blobs.iterdir()):
        digest = f"sha256:{path.name}"
        if digest in known:
            continue
        if not _HEX.fullmatch(path.name) or not path.is_file():
            yield Problem("stray", str(path), "is no blob")
            continue
        try:
            if digest_file(path, lambda _: None) != digest:
                yield Problem("altered", digest, "no name leads to it, and its bytes are others")
        except FileNotFoundError:  # gc was here
            continue


def _history(store: Store, index: Index) -> Iterator[Problem]:
    if index.head is None and index.names and store.history.is_there():
        yield Problem("history", str(store.history.path), "index.json names no line of it")
    try:
        moves = store.history.moves(index.head)
    except HubError as error:
        yield Problem("history", error.file or "", error.message)
        return
    for name in sorted({move.name for move in moves}):  # a name that only other programs moved has none
        stands, is_at = positions(moves, name)[-1], index.names.get(name)
        if stands != is_at:
            yield Problem("history", name, f"the history leads to {stands}, index.json says {is_at}", (name,))


def _views(store: Store) -> Iterator[Problem]:
    """Views whose files are neither links to their blobs nor copies of them."""
    for digest, folder in views(store).items():
        try:
            manifest = store.manifest(digest)
        except HubError:  # said already, or about to be let go
            continue
        yield from (replace(p, what=str(folder)) for p in _view(store, manifest, folder / manifest.title))


def _view(store: Store, manifest: Manifest, root: Path) -> Iterator[Problem]:
    for name, blob in manifest.files().items():
        path, source = root / name, store.path(blob.digest)
        try:
            if source.exists() and path.samefile(source):
                continue
            if digest_file(path, lambda _: None) != blob.digest:
                yield Problem("view", "", f"{name} is another file than the one in the store")
        except OSError:  # made anew when it is used
            continue
