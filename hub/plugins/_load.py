"""Loading plugins. Our own loader, because pluggy's stops at the first plugin that fails.

A plugin that cannot be used is named in `Registry.problems`, and the rest goes on.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

from hub import hookspecs, points
from hub.errors import HubError, PluginError, Terminated
from hub.interface import Codec, Runtime, Source
from hub.plugins._examine import examined_format, examined_hooks
from hub.plugins._registry import PluginInfo, Problem, Registry
from hub.plugins._trace import traced, traced_format, tracing

# What a plugin may state as HUB_CONTRACT: the contract that it was made for.
CONTRACT = points.GROUP


def load() -> Registry:
    """Import every plugin; one that fails is named in `problems` and the rest goes on."""
    found = Registry()
    found.manager.add_hookspecs(hookspecs)
    for point in points.plugin_points():
        try:
            _add(found, point)
        except (Exception, SystemExit) as error:  # a stranger's plugin may raise anything
            if isinstance(error, Terminated):
                raise
            found.problems.append(Problem(point.name, _reason(error)))
    for point in points.foreign_points():
        made = f"{points.distribution(point)} {points.version(point)} is made for contract {point.group}"
        found.problems.append(Problem(point.name, f"{made}, and this hub speaks {CONTRACT}"))
    return found


@cache
def registry() -> Registry:
    """The plugins of this process, loaded once."""
    return load()


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, HubError) else f"{type(error).__name__}: {error}"


def _add(found: Registry, point: EntryPoint) -> None:
    """Import one plugin, and take in what it brings: all of it, or nothing."""
    taken = next((p for p in found.plugins if p.name == point.name), None)
    if taken is not None:
        raise PluginError(f"{points.distribution(point)} brings it, and {taken.distribution} does already")
    module = traced(point.load, f"import {point.module}", point.name)()
    stated = getattr(module, "HUB_CONTRACT", CONTRACT)
    if stated != CONTRACT:
        raise PluginError(f"is made for contract {stated}, and this hub speaks {CONTRACT}")
    if found.manager.is_registered(module):
        raise PluginError(f"is the module of the plugin {found.manager.get_name(module)}")
    try:
        _register(found, point, module)
    except BaseException:
        found.manager.unregister(module, point.name)
        raise


def _register(found: Registry, point: EntryPoint, module: object) -> None:
    try:
        found.manager.register(module, point.name)
        found.manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(" ".join(str(error).split())) from error
    hooks = examined_hooks(found.manager, module)
    formats = [examined_format(one) for one in _asked(found, "hub_formats", module)]
    provided = _asked(found, "hub_provides", module)
    for one in provided:
        if isinstance(one, type) or not isinstance(one, Codec | Source | Runtime):
            raise PluginError(f"hub_provides gave {one!r}, which is no Codec, Source or Runtime of hub.interface")
    kinds = {"formats": formats} | {
        kind: [p for p in provided if isinstance(p, protocol)]
        for kind, protocol in (("codecs", Codec), ("sources", Source), ("runtimes", Runtime))
    }
    for one in formats:
        if one.name not in found.formats and one.name in {p.name for p in points.plugin_points()} - {point.name}:
            raise PluginError(f"brings the format {one.name!r}, which is the name of another plugin")
    new = {kind: _claimed(found, kind, things) for kind, things in kinds.items()}
    for kind, things in new.items():
        getattr(found, kind).update(things)
    if tracing():
        for one in formats:
            traced_format(one, point.name)
    names: dict[str, Any] = {kind: tuple(things) for kind, things in new.items()}
    source = points.distribution(point), points.version(point)
    found.plugins.append(PluginInfo(point.name, *source, hooks=hooks, **names))


def _asked(found: Registry, hook: str, module: object) -> list[Any]:
    """What `module` alone returns for a hook that is asked once."""
    if not hasattr(module, hook):
        return []
    others = [p for p in found.manager.get_plugins() if p is not module]
    call = traced(found.manager.subset_hook_caller(hook, others), hook, found.manager.get_name(module) or "?")
    things: list[Any] = []
    for answer in call():
        if isinstance(answer, str) or not hasattr(answer, "__iter__"):
            raise PluginError(f"{hook} gave {answer!r}, a list was expected")
        things += answer
    return things


def _claimed(found: Registry, kind: str, things: list[Any]) -> dict[str, Any]:
    """`things` by name; `PluginError` when a name is taken."""
    new: dict[str, Any] = {}
    for thing in things:
        if thing.name in getattr(found, kind):
            owner = found.plugin_of(kind, thing.name)
            raise PluginError(f"brings the {kind[:-1]} {thing.name!r}, which the plugin {owner} brings already")
        if thing.name in new:
            raise PluginError(f"brings the {kind[:-1]} {thing.name!r} twice")
        new[thing.name] = thing
    return new
