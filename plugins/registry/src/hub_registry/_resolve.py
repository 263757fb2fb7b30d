"""From a name to a path: what makes ORG/MODEL:TAG usable wherever a path is."""

from __future__ import annotations

import sys
from pathlib import Path

from hub_registry._formats import chosen
from hub_registry._names import Name, read
from hub_registry._store import Store
from hub_registry._views import view


def located(text: str, store: Store | None = None) -> Path | None:
    """The path of the model that `text` names in the store; None when it is no name, or of no model that is there.

    A model that is there without the tag, digest or format is an error that says what it has.
    """
    name = read(text)
    store = store or (Store.find() if name else None)
    if name is None or store is None:
        return None
    index = store.index()
    if name.digest is None and not any(key.rpartition(":")[0] == name.model for key in index.names):
        return None
    return opened(store, name, store.digest(name, index))


def opened(store: Store, name: Name, digest: str) -> Path:
    """The path of one model of the manifest `digest`, laid down; a choice among several is said on stderr."""
    manifest = store.manifest(digest)
    one, models = chosen(list(manifest.files()), name.pick, str(name.bare()))
    if name.pick is None and len(models) > 1:
        others = ", ".join(f"#{other.path}" for other in models[1:])
        print(f"hub: {name} holds {len(models)} models: {one.path} is taken, not {others}", file=sys.stderr)
    root = view(store, manifest)
    return root if one.path == "." else root / one.path
