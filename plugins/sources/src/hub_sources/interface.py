"""What a source may do beyond `hub.interface.Source`: be told what is wanted, and tell what it brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from hub.pipeline import Progress, Silent


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of the models at an address.

    `quantization` as file names and recipes spell it ("q4_k_m"); `format`, a name, is preferred where there are
    several; `encodes` says that a model without that quantization will do, because the caller can make it; `offline`
    forbids the network.
    """

    quantization: str | None = None
    format: str | None = None
    encodes: bool = False
    offline: bool = False
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True, slots=True)
class Part:
    """A file that came: its name, bytes and sha256, and what that was compared with ("" for nothing)."""

    name: str
    nbytes: int
    sha256: str
    compared: str = ""


@dataclass(frozen=True, slots=True)
class Obtained:
    """The model that came: its `path`, its files, and the exact `revision` where the place keeps several.

    `encode` is the recipe that the caller still has to encode it by; `notes` say what was decided on the way.
    """

    path: Path
    parts: tuple[Part, ...]
    revision: str | None = None
    encode: str | None = None
    notes: tuple[str, ...] = ()


@runtime_checkable
class Obtains(Protocol):
    """A source that takes a `Wish`."""

    def obtain(self, address: str, into: Path, wish: Wish) -> Obtained:
        """The model at `address` inside the empty folder `into`, with nothing else beside its files; `HubError`."""
        ...
