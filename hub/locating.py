"""A name in place of a path: what a user writes where a model is wanted, and the path that it means."""

from __future__ import annotations

from pathlib import Path

from hub.errors import PluginError, UsageError
from hub.events import blamed
from hub.interface import Locates
from hub.plugins import registry


def located(text: str | Path) -> Path:
    """The path that `text` means: itself where something lies there, else that of the model which a source names so.

    A path from the root, or from "." or "~" on, is no name. `UsageError` when it is neither, `PluginError` when two
    sources know the name.
    """
    path = Path(text)
    if path.exists() or path.is_absolute() or str(text).startswith((".", "~")):
        return path
    found = named(str(text))
    if found is None and (sources := _sources()):
        names = " or ".join(sorted(source.name for source in sources))
        raise UsageError(f"no such file or folder, and no model of that name in the {names}", file=text)
    return found or path


def named(name: str) -> Path | None:
    """The path of the model that a source keeps under `name`; None when none does, `PluginError` when two do."""
    found: dict[str, Path] = {}
    for source in _sources():
        with blamed(registry().plugin_of("sources", source.name), f"locating {name}"):
            answer = source.locate(name)
        if answer is not None:
            found[source.name] = answer
    if len(found) > 1:
        raise PluginError(f"is a name in {' and in '.join(sorted(found))}", file=name)
    return next(iter(found.values()), None)


def _sources() -> list[Locates]:
    return [one for one in registry().sources.values() if isinstance(one, Locates)]
