"""Moving names: tags and stages, back again, and off."""

from __future__ import annotations

from dataclasses import dataclass

from hub.errors import UsageError
from hub_registry._history import Move, positions
from hub_registry._names import STAGES, Name
from hub_registry._store import Store


def tag(store: Store, name: Name, to: Name, *, by: str | None = None, force: bool = False) -> Move:
    """Put the name `to` at the manifest that `name` is at. A tag that is no stage moves with `force` only."""
    with store.changing() as change:
        digest = store.digest(name, change.index)
        if change.index.names.get(to.key) == digest:
            raise UsageError(f"is at {digest} already", file=to.key)
        change.check_free(to, digest, force=force)
        return change.move(to, store.manifest(digest).descriptor, "tag", by, f"from {name.bare()}")


def rollback(store: Store, name: Name, *, by: str | None = None) -> Move:
    """Put `name` back to where it stood before its last move; once more, and it goes one further back."""
    with store.changing() as change:
        stack = positions(change.past, name.key)
        earlier = stack[-2] if len(stack) > 1 else None
        if earlier is None:
            raise UsageError("was nowhere before that it could go back to", file=name.key)
        if earlier not in change.index.digests:
            hint = f"{name.model}@sha256:... puts it anywhere else: hub registry tag"
            raise UsageError(f"was at {earlier}, which gc has let go", file=name.key, hint=hint)
        return change.move(name, change.index.descriptor(earlier), "rollback", by, None)


def remove(store: Store, name: Name, *, by: str | None = None) -> Move:
    """Take the name off its manifest, which stays until gc lets it go; `rollback` brings it back."""
    with store.changing() as change:
        store.digest(name, change.index)
        return change.move(name, None, "rm", by, None)


@dataclass(frozen=True, slots=True)
class Listed:
    """A name and what it is at: the manifest's digest, its bytes, since when and by whom."""

    name: str
    digest: str
    nbytes: int
    stage: bool
    at: str | None
    by: str | None


def listed(store: Store, prefix: str = "") -> list[Listed]:
    """Every name that begins with `prefix`, in order."""
    index = store.index()
    last = {move.name: move for move in store.history.moves(index.head)}
    return [_line(store, key, digest, last.get(key)) for key, digest in index.names.items() if key.startswith(prefix)]


def _line(store: Store, key: str, digest: str, move: Move | None) -> Listed:
    is_stage = key.rpartition(":")[2] in STAGES
    return Listed(
        key, digest, store.manifest(digest).nbytes, is_stage, move.at if move else None, move.by if move else None
    )
