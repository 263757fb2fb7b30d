"""Push and pull: between the store and a registry. What is half there is visible on neither side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.errors import TargetExists, UsageError
from hub.pipeline import Progress
from hub_registry._add import Placed
from hub_registry._formats import kept
from hub_registry._lease import Lease, leased
from hub_registry._locks import locked
from hub_registry._manifest import Blob, Manifest
from hub_registry._names import STAGES, Address, Name
from hub_registry._remote import Remote
from hub_registry._store import Store
from hub_registry._views import laid_down


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed where: the manifest, how many blobs and bytes went, and how many were there already."""

    address: Address
    manifest: Manifest
    sent: int
    nbytes: int
    there: int


def push(
    store: Store, name: Name, address: Address, progress: Progress, *, insecure: bool = False, force: bool = False
) -> Pushed:
    """Upload the model's blobs and, when all of them are there, its manifest.

    `NotVerified` when a blob is not what its digest says, `TargetExists` when the tag is another model's already and is
    no stage.
    """
    with leased(store) as lease:
        manifest = store.manifest(_claimed(store, lease, name))
        remote = Remote(address, insecure=insecure)
        there = remote.digest()
        if there not in {None, manifest.digest} and address.tag not in STAGES and not force:
            hint = "push to another tag, or --force moves this one"
            raise TargetExists(f"is there already, as {there}", file=str(address), hint=hint)
        lacking = [blob for blob in manifest.blobs if not remote.has(blob)]
        progress.start("push", sum(blob.size for blob in lacking))
        for blob in lacking:
            remote.send(blob, store.path(blob.digest), progress.advance)
        remote.put(manifest)
    sent = sum(blob.size for blob in lacking)
    return Pushed(address, manifest, len(lacking), sent, len(manifest.blobs) - len(lacking))


def _claimed(store: Store, lease: Lease, name: Name) -> str:
    """The manifest that `name` is at; gc leaves alone what it names, even when the name moves."""
    digest = store.digest(name)
    lease.claim(digest)
    for blob in store.manifest(digest).blobs:
        lease.claim(blob.digest)
    return digest


def pull(
    store: Store, address: Address, name: Name, progress: Progress, *, insecure: bool = False, force: bool = False,
    by: str | None = None,
) -> Placed:  # fmt: skip
    """Bring the model at `address` into the store as `name`; what is here already is read again, not fetched.

    The user's policy (trust.toml) is asked before the name is there. `NotVerified` when bytes are not those announced.
    Blobs that came stay for gc's grace, so that the next pull goes on from them.
    """
    if address.pick is not None:
        raise UsageError("pull brings all formats; #FORMAT has no effect", file=f"{address}#{address.pick}")
    remote = Remote(address, insecure=insecure)
    manifest = remote.manifest()
    files = manifest.files()
    with leased(store) as lease:
        with store.changing() as change:
            change.check_free(name, manifest.digest, force=force)
        progress.start("pull", sum(blob.size for blob in manifest.blobs))
        shared = sum(_fetched(lease, remote, blob, progress) for blob in manifest.blobs)
        lease.put(manifest.raw)
        root = lease.folder / "trial" / manifest.title
        with locked(store.lock):
            laid_down(store, files, root)
        _hold_to_policy(root, list(files))
        with store.changing() as change:
            change.check_free(name, manifest.digest, force=force)
            came = change.index.names.get(name.key)
            why = f"from {address}"
            move = None if came == manifest.digest else change.move(name, manifest.descriptor, "pull", by, why)
    return Placed(name, manifest, move, shared)


def _fetched(lease: Lease, remote: Remote, blob: Blob, progress: Progress) -> int:
    """Have the blob in the store; its bytes when they were here before."""
    if lease.holds(blob, progress.advance):
        return blob.size
    temporary = lease.temporary()
    remote.fetch(blob, temporary, progress.advance)
    lease.place(temporary, blob.digest)
    return 0


def _hold_to_policy(root: Path, files: Sequence[str]) -> None:
    """Ask the plugins that verify models about each one that came."""
    from hub.opening import loading

    for one in kept(files):
        with loading(root if one.path == "." else root / one.path, "convert"):
            pass
