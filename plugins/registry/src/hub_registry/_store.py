"""The store: an OCI image layout on this disk, with what hub needs beside it in the folder `hub`.

    oci-layout, index.json, blobs/sha256/HEX    as OCI has them; blobs are read-only and never change
    hub/lock                                    held for every change of index.json, every claim, and by gc
    hub/history.jsonl                           who moved which name (`hub_registry._history`)
    hub/incoming/ID/                            what a living process brings in, and which blobs it relies on
    hub/views/HEX/                              a manifest's files under their own names (`hub_registry._views`)

Everything becomes visible by one rename, that of index.json, when all it names is on the disk.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile, TargetExists, UsageError
from hub_registry._bytes import digest_file, sync
from hub_registry._history import Action, History, Move, now, whoami
from hub_registry._index import Index
from hub_registry._locks import locked
from hub_registry._manifest import MOST, Manifest, digest_of, parsed
from hub_registry._names import Name

LAYOUT = {"imageLayoutVersion": "1.0.0"}
_BEGUN = {"blobs", "hub", "index.json"}  # what lies in a store that is being made, or whose making was cut off


def usual_root() -> Path:
    """Where the store lies: HUB_REGISTRY, or hub/registry in the user's data folder."""
    named = os.environ.get("HUB_REGISTRY")
    if named:
        return Path(named).absolute()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "hub" / "registry"


@dataclass
class Change:
    """A change of the index under the lock: read, moved, and written when the block ends well."""

    index: Index
    past: tuple[Move, ...]
    written: Index
    moves: list[Move] = field(default_factory=list)

    def move(self, name: Name, to: Mapping[str, Any] | None, action: Action, by: str | None, why: str | None) -> Move:
        """Put `name` at the manifest of the descriptor `to`, or at none, and write that down."""
        came, went = self.index.names.get(name.key), None if to is None else str(to["digest"])
        self.index = self.index.named(name.key, to)
        self.moves.append(Move(now(), by or whoami(), action, name.key, came, went, why))
        return self.moves[-1]

    def check_free(self, name: Name, digest: str, *, force: bool) -> None:
        """`TargetExists` when `name` is at another manifest, is no stage, and `force` is off."""
        there = self.index.names.get(name.key)
        if there not in {None, digest} and not name.is_stage and not force:
            hint = "give it another tag, or --force moves this one"
            raise TargetExists(f"is there already, as {there}", file=name.key, hint=hint)


class Store:
    """The store at `root`, which is there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs, self.own = root / "blobs" / "sha256", root / "hub"
        self.incoming, self.views, self.lock = self.own / "incoming", self.own / "views", self.own / "lock"
        self.history = History(self.own / "history.jsonl")

    @classmethod
    def find(cls, root: Path | None = None) -> Store | None:
        """The store that is there, or None; `UsageError` where something else lies in its place."""
        store = cls(root or usual_root())
        if not store.root.exists():
            return None
        names = {path.name for path in store.root.iterdir()} if store.root.is_dir() else {"a file"}
        if "oci-layout" in names:
            store._check_version()
            return store
        if names <= _BEGUN:
            return None
        raise UsageError("is no OCI image layout", file=store.root, hint="HUB_REGISTRY names a folder of its own")

    @classmethod
    def make(cls, root: Path | None = None) -> Store:
        """The store, made when it is not there. Two processes may do that at once."""
        store = cls.find(root) or cls(root or usual_root())
        for folder in (store.blobs, store.incoming, store.views):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(store.lock):
            if not (store.root / "index.json").exists():
                store._replace("index.json", Index().raw())
            if not (store.root / "oci-layout").exists():
                store._replace("oci-layout", json.dumps(LAYOUT).encode())
        return store

    def _check_version(self) -> None:
        path = self.root / "oci-layout"
        try:
            version = json.loads(path.read_bytes())["imageLayoutVersion"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedFile(f"is no layout file of OCI: {error!r}", file=path) from error
        if version != LAYOUT["imageLayoutVersion"]:
            raise UsageError(f"is of layout version {version!r}, 1.0.0 is what is known", file=path)

    def index(self) -> Index:
        """What the store has now."""
        return Index.read(self.root / "index.json")

    def moves(self) -> list[Move]:
        """The whole history."""
        return self.history.moves(self.index().head)

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """A block that alone may change the index; what it changed is written when it ends well, all or nothing."""
        self.own.mkdir(exist_ok=True)
        with locked(self.lock):
            index = self.index()
            change = Change(index, tuple(self.history.moves(index.head)), index)
            yield change
            self.commit(change)

    def commit(self, change: Change) -> None:
        """Write what was changed so far, inside the block of `changing`."""
        if change.index is change.written:
            return
        head = self.history.append(change.index.head, change.moves)
        change.index = change.written = replace(change.index, head=head)
        change.moves.clear()
        for folder in (self.blobs, self.own):
            sync(folder)
        self._replace("index.json", change.index.raw())

    def path(self, digest: str) -> Path:
        """Where a blob lies, or would lie."""
        return self.blobs / digest.removeprefix("sha256:")

    def small(self, digest: str) -> bytes:
        """The bytes of a manifest or configuration; `DamagedFile` when they are gone or not those of the digest."""
        path = self.path(digest)
        try:
            with path.open("rb") as file:
                raw = file.read(MOST + 1)
        except OSError as error:
            raise DamagedFile(f"cannot be read: {error.strerror}", file=path, hint=_VERIFY) from error
        if digest_of(raw) != digest:
            raise DamagedFile("is not what its name says: it was altered", file=path, hint=_VERIFY)
        return raw

    def manifest(self, digest: str) -> Manifest:
        """A manifest of the store."""
        return parsed(self.small(digest), digest)

    def digest(self, name: Name, index: Index | None = None) -> str:
        """The manifest that `name` is at; `UsageError` that says what there is instead."""
        index = index or self.index()
        if name.digest is not None:
            if name.digest not in index.digests:
                raise UsageError("is not in the registry", file=str(name.bare()), hint=_LS)
            return name.digest
        if name.key not in index.names:
            tags = [one.rpartition(":")[2] for one in index.names if one.rpartition(":")[0] == name.model]
            has = f"{name.model} has {', '.join(tags)}" if tags else _LS
            raise UsageError("is not in the registry", file=name.key, hint=has)
        return index.names[name.key]

    def is_sound(self, digest: str, size: int, advance: Callable[[int], None]) -> bool:
        """True when a blob is here and its bytes are those of its digest; all are read."""
        path = self.path(digest)
        try:
            return path.stat().st_size == size and digest_file(path, advance) == digest
        except FileNotFoundError:
            return False

    def _replace(self, name: str, data: bytes) -> None:
        fd, temporary = tempfile.mkstemp(dir=self.own)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)
            Path(temporary).replace(self.root / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync(self.root)


_VERIFY = "hub registry verify names all that is wrong"
_LS = "hub registry ls lists what is there"
