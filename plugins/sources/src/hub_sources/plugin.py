"""What hub-sources brings to the hub. Every command loads this module, so a source is imported when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub.hookspecs import hookimpl

if TYPE_CHECKING:
    from hub.interface import Source
    from hub_sources.interface import Obtained, Obtains, Wish


@dataclass
class _Later:
    """The source `kind` of this package, known by its name and schemes before it is imported."""

    name: str
    schemes: tuple[str, ...]
    kind: str

    def fetch(self, address: str, into: Path) -> Path:
        """The model at `address`."""
        from hub_sources.interface import Wish

        return self.obtain(address, into, Wish()).path

    def obtain(self, address: str, into: Path, wish: Wish) -> Obtained:
        """The model at `address` that is wished for."""
        import hub_sources

        source: Obtains = getattr(hub_sources, self.kind)()
        return source.obtain(address, into, wish)


@hookimpl
def hub_provides() -> Sequence[Source]:
    """The sources."""
    return (
        _Later("huggingface", ("hf",), "HuggingFace"),
        _Later("web", ("https", "http"), "Web"),
        _Later("pypi", ("pypi",), "PyPI"),
        _Later("file", ("file",), "Local"),
    )
