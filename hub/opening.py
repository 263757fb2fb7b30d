"""Opening a model in whatever format it is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.errors import HubError, PluginError, UsageError
from hub.interface import Format
from hub.ir import Model
from hub.plugins import registry


def assumptions(pairs: Iterable[str]) -> dict[str, Any]:
    """`key=value` texts as a dict; a value that is JSON counts as such, anything else is a string."""
    out: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"--assume takes KEY=VALUE, not {pair!r}")
        try:
            out[key] = json.loads(text)
        except ValueError:
            out[key] = text
    return out


def open_model(path: Path | str, from_: str | None = None, assume: Iterable[str] = ()) -> tuple[Format, Model]:
    """The format of `path`, told by content, and the model in it; nothing large is read.

    `from_` names the format instead of sniffing. `assume` states facts of the configuration ("rope_theta=10000");
    they are recorded in the model's notes.
    """
    path = Path(path)
    found = registry().find(path, from_)
    try:
        model = found.read(path)
    except HubError as error:
        error.file = error.file or str(path)
        error.plugin = error.plugin or found.name
        raise
    except Exception as error:  # whatever a stranger's reader raises becomes one line that names the plugin
        raise PluginError(f"reading failed: {error!r}", file=path, plugin=found.name) from error
    stated = assumptions(assume)
    if stated:
        notes = tuple(f"assumed: {key} = {json.dumps(value)}" for key, value in stated.items())
        model = replace(model, config=model.config.merged(stated), notes=model.notes + notes)
    return found, replace(model, path=path)
