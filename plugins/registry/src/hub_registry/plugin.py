"""What hub-registry brings to the hub. Every command loads this module, so all else is imported when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hub.hookspecs import hookimpl

if TYPE_CHECKING:
    from hub.interface import Source
    from hub_registry._fetch import Obtained, Wish


class _Registry:
    """oci:// addresses of registries, and the names of the store on this disk."""

    name = "registry"
    schemes: tuple[str, ...] = ("oci",)

    def fetch(self, address: str, into: Path) -> Path:
        """The model at oci://HOST/REPO:TAG[#FORMAT], every byte compared with the digests of its manifest."""
        from hub.pipeline import Silent
        from hub_registry._fetch import fetched

        return fetched(address, into, Silent()).path

    def obtain(self, address: str, into: Path, wish: Wish) -> Obtained:
        """The same for hub-sources, which says what is wished for and is told what came."""
        from hub_registry._fetch import obtained

        return obtained(address, into, wish)

    def locate(self, name: str) -> Path | None:
        """The path of the model ORG/MODEL[:TAG][#FORMAT] of the store; None when there is none."""
        from hub_registry._names import read

        if read(name) is None:
            return None
        from hub_registry._resolve import located

        return located(name)


@hookimpl
def hub_provides() -> Sequence[Source]:
    """The source."""
    return (_Registry(),)
