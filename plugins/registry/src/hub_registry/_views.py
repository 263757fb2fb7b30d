"""A manifest's files under their own names, so that every reader finds them: hub/views/HEX/TITLE/...

Signatures hold for files and not for links to them, so a view is made of hard links to the blobs. Making or removing a
hard link changes the file's change time, by which a verified model is known to be the same still
(`hub.signing.Seal`). So no link is made to, or removed from, a blob of a view that a living process uses: another view
that needs the blob at that time gets a copy, whose blocks the file system may share.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hub.errors import DamagedFile, HubError
from hub_registry._bytes import copy
from hub_registry._locks import locked, taken
from hub_registry._manifest import Blob, Manifest
from hub_registry._store import Store

_LOCK = ".lock"
_held: dict[Path, int] = {}  # views that this process uses, until it ends


def view(store: Store, manifest: Manifest) -> Path:
    """The folder with the manifest's files, which stays as it is while this process lives."""
    files = manifest.files()
    store.views.mkdir(parents=True, exist_ok=True)
    folder = _folder(store, manifest.digest)
    lock = folder.with_name(folder.name + _LOCK)
    with locked(store.lock):
        if not _is_whole(folder / manifest.title, files):
            shutil.rmtree(folder, ignore_errors=True)
            _make(store, manifest, folder, files)
        if lock not in _held:
            fd = taken(lock, shared=True, wait=True)
            if fd is not None:
                _held[lock] = fd
    return folder / manifest.title


def laid_down(store: Store, files: Mapping[str, Blob], root: Path) -> None:
    """Link or copy blobs to their names below `root`; called under the lock."""
    using = blobs_in_use(store)
    for name, blob in files.items():
        target, source = root / name, store.path(blob.digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if source.stat().st_size != blob.size:
                raise DamagedFile(f"is not the {blob.size:,} bytes it was", file=source, hint=_VERIFY)
            if blob.digest in using or not _linked(source, target):
                copy(source, target, lambda _: None)
                target.chmod(0o444)
        except FileNotFoundError as error:
            raise DamagedFile(f"is missing; {name} is kept in it", file=source, hint=_VERIFY) from error


_VERIFY = "hub registry verify names all that is wrong; add or pull brings the bytes again"


def blobs_in_use(store: Store) -> set[str]:
    """The digests in views that living processes use. Called under the lock."""
    return {blob.digest for used in manifests_in_use(store) for blob in store.manifest(used).blobs}


def manifests_in_use(store: Store) -> set[str]:
    """The manifests whose views living processes use. Called under the lock."""
    found = set()
    for lock in store.views.glob(f"*{_LOCK}"):
        fd = taken(lock)
        if fd is None:
            found.add(f"sha256:{lock.name.removesuffix(_LOCK)}")
        else:
            os.close(fd)
    return found


def views(store: Store) -> dict[str, Path]:
    """Every view by its manifest's digest."""
    return {f"sha256:{p.name}": p for p in store.views.glob("[0-9a-f]*") if p.is_dir()}


def remove(store: Store, digest: str) -> None:
    """Remove a view that nobody uses. Called under the lock."""
    folder = _folder(store, digest)
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(folder.name + _LOCK).unlink(missing_ok=True)


def forget(store: Store, digest: str) -> None:
    """Remove the views that hold an altered blob, whose bytes are right again; they are made anew when needed."""
    with locked(store.lock):
        for manifest, folder in views(store).items():
            try:
                holds = any(blob.digest == digest for blob in store.manifest(manifest).blobs)
            except HubError:  # its manifest is damaged itself
                holds = True
            if holds:
                shutil.rmtree(folder, ignore_errors=True)


def _folder(store: Store, digest: str) -> Path:
    return store.views / digest.removeprefix("sha256:")


def _is_whole(root: Path, files: Mapping[str, Blob]) -> bool:
    try:
        return all((root / name).stat().st_size == blob.size for name, blob in files.items())
    except OSError:
        return False


def _make(store: Store, manifest: Manifest, folder: Path, files: Mapping[str, Blob]) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=".", dir=store.views))
    try:
        laid_down(store, files, temporary / manifest.title)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _linked(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links, or a blob with as many as it may have
        return False
    return True
