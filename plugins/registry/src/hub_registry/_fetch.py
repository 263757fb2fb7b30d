"""oci:// as an address of `hub import` and `hub pull`: one model of a registry, outside any store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hub.errors import UsageError
from hub.pipeline import Progress
from hub_registry._formats import chosen, kept
from hub_registry._names import address as parsed
from hub_registry._remote import Remote


class Wish(Protocol):
    """What those who import say of the model that is wanted (hub_sources.interface has it)."""

    quantization: str | None
    format: str | None
    offline: bool
    progress: Progress


@dataclass(frozen=True, slots=True)
class Part:
    """A file that came: what its bytes were compared with is the digest in the manifest."""

    name: str
    nbytes: int
    sha256: str
    compared: str = "sha256"


@dataclass(frozen=True, slots=True)
class Obtained:
    """The model that came, its files, and the manifest's digest; the names are those of hub_sources.interface."""

    path: Path
    parts: tuple[Part, ...]
    revision: str
    encode: None = None
    notes: tuple[str, ...] = ()


def fetched(address: str, into: Path, progress: Progress, format_: str | None = None) -> Obtained:
    """The model at `address` inside the folder `into`, every byte compared: of several, the one in `format_`.

    #NAME behind the address says which as well, and first; without either it is the first.
    """
    at = parsed(address)
    remote = Remote(at)
    manifest = remote.manifest()
    files = manifest.files()
    wished = sum(one.format == format_ for one in kept(list(files))) == 1
    one, models = chosen(list(files), at.pick or (format_ if wished else None), str(at))
    whole = one.path == "."
    root, above = (into / manifest.title, "") if whole else (into, one.path[: one.path.rfind("/") + 1])
    progress.start("fetch", sum(files[name].size for name in one.files))
    for name in one.files:
        target = root / name.removeprefix(above)
        target.parent.mkdir(parents=True, exist_ok=True)
        remote.fetch(files[name], target, progress.advance)
    parts = tuple(Part(n.removeprefix(above), files[n].size, files[n].digest.partition(":")[2]) for n in one.files)
    others = ", ".join(f"#{other.path}" for other in models if other is not one)
    path = root if whole else into / one.path.removeprefix(above)
    said = f"{one.path} is one of {len(models)}; behind the address, {others} picks another"
    return Obtained(path, parts, manifest.digest, notes=() if at.pick or not others else (said,))


def obtained(address: str, into: Path, wish: Wish) -> Obtained:
    """What `fetched` brings of a model that is wished for; what has no effect on it is an error."""
    if wish.offline:
        raise UsageError("--offline forbids what this address needs", file=address)
    if wish.quantization is not None:
        raise UsageError("--quantization has no effect on a registry", file=address, hint="#FILE behind it picks one")
    return fetched(address, into, wish.progress, wish.format)
