"""Opening a model in whatever format it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from hub.errors import HubError, PluginError, UsageError
from hub.events import blamed, fire
from hub.interface import Format, Seal, Use
from hub.ir import Lazy, Model
from hub.plugins import registry

T = TypeVar("T")

# A model that is loaded for the first use has been let through for the others as well.
_COVERS: dict[Use, tuple[Use, ...]] = {
    "run": ("run", "convert", "look"), "convert": ("convert", "look"), "sign": ("sign", "look"), "look": ("look",),
}  # fmt: skip

Seals: TypeAlias = tuple[tuple[str, Seal], ...]

_allowed: ContextVar[dict[tuple[Path, Use], Seals]] = ContextVar("allowed")


class Loading:
    """The work on a model that verifiers let through; `seals`, by plugin, say which files they saw."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals

    def check(self) -> None:
        """An error when a file is no longer the one that was verified."""
        for plugin, seal in self._seals:
            with blamed(plugin, "hub_before_load"):
                seal.check()

    def finish(self) -> None:
        """`check` for the last time: what happens to the files from here on is no concern of this work."""
        self.check()
        self._seals = ()


@contextmanager
def loading(path: Path | str, use: Use = "look") -> Iterator[Loading]:
    """A block of work on the model at `path`, opened inside it as often as need be: `hub_before_load` is called once.

    Verifiers are asked on entry, before a byte is read, and their seals are compared again when the block ends well. A
    block inside another on the same path, for a use that the outer one covers, asks nobody and compares the same seals.
    """
    allowed, absolute = _allowed.get({}), Path(path).absolute()
    seals = allowed.get((absolute, use))
    if seals is None:
        if not absolute.exists():  # who says yes to nothing would have said yes to what comes to lie there
            raise UsageError("no such file or folder", file=path)
        seals = tuple(_seals(fire("hub_before_load", path=Path(path), use=use)))
        allowed = allowed | {(absolute, covered): seals for covered in _COVERS[use]}
    work, token = Loading(seals), _allowed.set(allowed)
    try:
        yield work
    finally:
        _allowed.reset(token)
    work.finish()


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


def _seals(answers: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Seal]]:
    for plugin, answer in answers:
        if not isinstance(answer, Seal):
            raise PluginError(f"hub_before_load returned {answer!r}, a Seal or None was expected", plugin=plugin)
        yield plugin, answer


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


def open_model(
    path: Path | str, from_: str | None = None, assume: Iterable[str] = (), *, use: Use = "look"
) -> tuple[Format, Model]:
    """The format of `path`, told by content, and the model in it; nothing large is read.

    `from_` names the format instead of sniffing. `assume` states facts of the configuration ("rope_theta=10000");
    they are recorded in the model's notes. `use` is what verifiers are told (`hub_before_load`); work that goes on
    reading after the opening belongs into a `loading` block.
    """
    path = Path(path)
    with loading(path, use):
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
