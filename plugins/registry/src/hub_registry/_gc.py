"""Letting go of what no name leads to, without touching what is being brought in, used, or may be rolled back to."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.errors import HubError
from hub_registry._history import positions
from hub_registry._lease import claims
from hub_registry._names import read
from hub_registry._store import Change, Store
from hub_registry._views import manifests_in_use, remove, views

GRACE = 3600
"""Seconds in which a blob without a name may belong to a program that is not hub, or to a pull that broke off."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What `sweep` removed, or would: manifests and blobs by digest, the blobs' bytes, and views.

    `young` are the bytes that stay only because they came lately.
    """

    manifests: tuple[str, ...]
    blobs: tuple[str, ...]
    nbytes: int
    views: int
    young: int
    dry_run: bool


def sweep(store: Store, *, grace: float = GRACE, keep: int | None = None, dry_run: bool = False) -> Swept:
    """Remove manifests without a name, then blobs that no manifest leads to, then views of manifests that went.

    What a stage was at before stays, so that it can be rolled back: all of it, or the last `keep` places. The lock is
    held from the first look to the last removal, so nothing that is claimed meanwhile is lost (`hub_registry._lease`).
    `DamagedFile` when a manifest that stays cannot be read: then nobody knows what may go.
    """
    with store.changing() as change:
        before, using, claimed = time.time() - grace, manifests_in_use(store), claims(store)
        free = change.index.unnamed - _stood_at(change, keep) - using - claimed
        going = {digest for digest in free if _is_old(store.path(digest), before)}
        lasting = (change.index.digests | using) - free
        needed = claimed | _leads_to(store, lasting)
        left = {path: path.stat().st_size for path in _files(store) if f"sha256:{path.name}" not in needed}
        young = _leads_to(store, free - going)
        blobs = sorted(p for p in left if f"sha256:{p.name}" not in young and _is_old(p, before))
        used = _leads_to(store, using)
        old = [d for d in views(store) if d not in lasting | (free - going) and used.isdisjoint(_holds(store, d))]
        if not dry_run:
            change.index = change.index.without(going)
            store.commit(change)
            _remove(store, blobs, old)
    nbytes = sum(left[path] for path in blobs)
    gone = tuple(f"sha256:{path.name}" for path in blobs)
    return Swept(tuple(sorted(going)), gone, nbytes, len(old), sum(left.values()) - nbytes, dry_run)


def _files(store: Store) -> Iterator[Path]:
    """The blobs; what else lies among them is nobody's to remove."""
    return (path for path in store.blobs.glob("[0-9a-f]*") if len(path.name) == 64 and path.is_file())


def _leads_to(store: Store, manifests: Collection[str]) -> set[str]:
    """Manifests and all that they name."""
    return set(manifests) | {blob.digest for digest in manifests for blob in store.manifest(digest).blobs}


def _stood_at(change: Change, keep: int | None) -> set[str]:
    """The manifests that stages were at before, the last `keep` of each."""
    found: set[str] = set()
    for key in change.index.names:
        name = read(key)
        if name is not None and name.is_stage:
            earlier = positions(change.past, key)[:-1]
            found |= {one for one in earlier[max(0, len(earlier) - keep) if keep is not None else 0 :] if one}
    return found


def _is_old(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime <= before
    except FileNotFoundError:
        return True


def _holds(store: Store, digest: str) -> Iterator[str]:
    """The blobs of a view; none where its manifest went before it did."""
    try:
        yield from (blob.digest for blob in store.manifest(digest).blobs)
    except HubError:
        return


def _remove(store: Store, blobs: Collection[Path], old: Collection[str]) -> None:
    for digest in old:
        remove(store, digest)
    for half in store.views.glob(".*"):  # of a process that ended while it made one: others need the lock for that
        shutil.rmtree(half, ignore_errors=True)
    for path in blobs:
        path.unlink()
