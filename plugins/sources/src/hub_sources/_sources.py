"""Finding the source of an address among those of all plugins, and having it bring the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.errors import HubError, PluginError, UsageError
from hub.events import blamed
from hub.interface import Source
from hub.plugins import registry
from hub_sources._digests import part_of
from hub_sources.interface import Obtained, Obtains, Wish


def scheme_of(address: str) -> str:
    """The scheme of an address; "file" for a path, which a drive's letter begins too."""
    scheme, colon, _ = address.partition(":")
    return scheme.lower() if colon and len(scheme) > 1 and "/" not in scheme and not Path(address).exists() else "file"


def source_of(address: str) -> Source:
    """The one source whose addresses begin so; `UsageError` lists the schemes there are."""
    scheme, sources = scheme_of(address), registry().sources.values()
    found = [s for s in sources if scheme in s.schemes]
    if len(found) > 1:
        raise PluginError(f"{scheme}: is claimed by the sources {' and '.join(s.name for s in found)}", file=address)
    if not found:
        known = ", ".join(sorted({f"{one}:" for s in sources for one in s.schemes}))
        raise UsageError(f"no source brings models from {scheme}:", file=address, hint=f"there are {known}")
    return found[0]


def obtained(source: Source, address: str, into: Path, wish: Wish) -> Obtained:
    """What `source` brings into the empty folder `into`; what has no effect on it is an error."""
    plugin = registry().plugin_of("sources", source.name)
    with blamed(plugin, f"fetching {address}"), _written():
        if isinstance(source, Obtains):
            return source.obtain(address, into, wish)
        for flag, given in (("--quantization", wish.quantization), ("--offline", wish.offline)):
            if given:
                raise UsageError(f"{flag} has no effect on the source {source.name}", file=address)
        path = source.fetch(address, into)
        if not isinstance(path, Path) or not path.exists() or path.parent != into:
            raise PluginError(f"brought {path}, a file or folder in {into} was expected")
    return Obtained(path, tuple(part_of(p, p.relative_to(into).as_posix()) for p in sorted(files_of(into))))


@contextmanager
def _written() -> Iterator[None]:
    """What a disk says of a write in the block as a `HubError`."""
    try:
        yield
    except OSError as error:
        raise HubError(f"fetching failed: {error.strerror or error}", file=error.filename) from error


def files_of(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(p for p in folder.rglob("*") if p.is_file() or p.is_symlink())
