"""Bringing bytes into the store: what a living process brings in, and whatever it relies on, gc leaves alone."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.pipeline import interrupted_once
from hub_registry._locks import is_free, locked, taken
from hub_registry._manifest import Blob, digest_of
from hub_registry._store import Store

_LOCK, _CLAIMS = "lock", "claims"


class Lease:
    """One process's right to blobs that no name leads to yet. Made by `leased`."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self._altered: dict[str, int] = {}

    def claim(self, digest: str) -> None:
        """Keep gc from removing a blob, whether it is here or on its way."""
        with locked(self.store.lock), (self.folder / _CLAIMS).open("a", encoding="ascii") as claims:
            claims.write(f"{digest}\n")

    def holds(self, blob: Blob, advance: Callable[[int], None]) -> bool:
        """True when the blob is in the store and its bytes are right: they are read again before one relies on them."""
        self.claim(blob.digest)
        path = self.store.path(blob.digest)
        if self.store.is_sound(blob.digest, blob.size, advance):
            return True
        if path.exists():
            self._altered[blob.digest] = path.stat().st_ino
        return False

    def temporary(self) -> Path:
        """A fresh path on the store's disk."""
        return self.folder / uuid.uuid4().hex

    def place(self, path: Path, digest: str) -> None:
        """Make the file at `path`, whose bytes are those of `digest` and on the disk, the blob. An altered one goes."""
        self.claim(digest)
        target = self.store.path(digest)
        path.chmod(0o444)
        with locked(self.store.lock):
            if target.exists() and target.stat().st_ino != self._altered.get(digest):
                path.unlink()  # another process was faster
                return
            path.replace(target)
        if digest in self._altered:
            from hub_registry._views import forget

            forget(self.store, digest)

    def put(self, data: bytes) -> str:
        """The digest of small bytes, which are in the store then."""
        digest = digest_of(data)
        if not self.holds(Blob(digest, len(data), ""), lambda _: None):
            path = self.temporary()
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            self.place(path, digest)
        return digest


@contextmanager
def leased(store: Store) -> Iterator[Lease]:
    """A block that brings in bytes; what is in the store, or has become a name's, stays, the rest goes."""
    with interrupted_once():
        store.incoming.mkdir(parents=True, exist_ok=True)
        with locked(store.lock):
            folder = Path(tempfile.mkdtemp(dir=store.incoming))
            held = taken(folder / _LOCK)
        try:
            yield Lease(store, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if held is not None:
                os.close(held)


def claims(store: Store) -> set[str]:
    """What living processes rely on; the folders of those that ended are removed. Called under the lock."""
    found: set[str] = set()
    for folder in store.incoming.iterdir() if store.incoming.is_dir() else ():
        if is_free(folder / _LOCK):
            shutil.rmtree(folder, ignore_errors=True)
        elif (folder / _CLAIMS).exists():
            found |= set((folder / _CLAIMS).read_text("ascii").split())
    return found
