"""Opening a model in whatever format it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hub.errors import HubError, PluginError, UsageError
from hub.interface import Format
from hub.ir import Lazy, Model
from hub.plugins import registry

T = TypeVar("T")


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


@contextmanager
def _blamed(path: Path, plugin: str) -> Iterator[None]:
    """Errors of the block name the file and the plugin, whatever a stranger's reader raises."""
    try:
        yield
    except HubError as error:
        error.file = error.file or str(path)
        error.plugin = error.plugin or plugin
        raise
    except OSError as error:
        raise HubError(f"cannot be read: {error.strerror or error}", file=path, plugin=plugin) from error
    except Exception as error:
        raise PluginError(f"reading failed: {error!r}", file=path, plugin=plugin) from error


def _blaming(lazy: Lazy[T], path: Path, plugin: str) -> T:
    with _blamed(path, plugin):
        return lazy.get()


def open_model(path: Path | str, from_: str | None = None, assume: Iterable[str] = ()) -> tuple[Format, Model]:
    """The format of `path`, told by content, and the model in it; nothing large is read.

    `from_` names the format instead of sniffing. `assume` states facts of the configuration ("rope_theta=10000");
    they are recorded in the model's notes.
    """
    path = Path(path)
    found = registry().find(path, from_)
    with _blamed(path, found.name):
        model = found.read(path)
    tokenizer, source = model.tokenizer, model.source
    model = replace(
        model,
        tokenizer=Lazy(lambda: _blaming(tokenizer, path, found.name)),
        source=Lazy(lambda: _blaming(source, path, found.name)),
    )
    stated = assumptions(assume)
    if stated:
        notes = tuple(_assumed(key, value, model) for key, value in stated.items())
        model = replace(model, config=model.config.merged(stated), notes=model.notes + notes)
    return found, replace(model, path=path)


def _assumed(key: str, value: Any, model: Model) -> str:
    """The note on a fact that the user states; `UsageError` when the model states the same."""
    known = model.config.get(key)
    if known is None:
        return f"assumed: {key} = {json.dumps(value)}"
    if known == value:
        raise UsageError(f"--assume {key} has no effect: the model says the same")
    return f"assumed: {key} = {json.dumps(value)}, where the model says {json.dumps(known)}"
