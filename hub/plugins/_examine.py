"""Whether what a plugin brings is what the contract says, found out before anybody builds on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

from hub import hookspecs
from hub.errors import PluginError
from hub.interface import Capabilities, Format, Magic

_NAMES = frozenset(name for name in vars(hookspecs) if name.startswith("hub_"))
_DECLARATIONS = frozenset({"hub_formats", "hub_provides"})


def examined_hooks(manager: pluggy.PluginManager, module: object) -> tuple[str, ...]:
    """The events that a registered plugin hangs on; `PluginError` for what is no proper implementation."""
    callers = manager.get_hookcallers(module) or []
    hooks = {caller.name for caller in callers}
    bare = sorted(name for name in _NAMES - hooks if callable(getattr(module, name, None)))
    if bare:
        raise PluginError(f"its {bare[0]} is not marked with hub.hookspecs.hookimpl")
    if not hooks:
        raise PluginError("implements no hook of the contract", hint="hub.hookspecs lists them")
    for caller in callers:
        if any((i.wrapper or i.hookwrapper) and i.plugin is module for i in caller.get_hookimpls()):
            raise PluginError(f"its {caller.name} is a wrapper, which the contract does not have")
    return tuple(sorted(hooks - _DECLARATIONS))


def _strings(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind) and all(isinstance(one, str) for one in value)  # type: ignore[attr-defined]


# What each plain member of a format must be, in words and as a test.
_MEMBERS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("a word in lower case", lambda v: isinstance(v, str) and v.isprintable() and v == v.lower().strip() != ""),
    "title": ("a string", lambda v: isinstance(v, str)),
    "extensions": (
        "a tuple of strings that start with a dot",
        lambda v: _strings(tuple)(v) and all(one[:1] == "." and one == one.lower() for one in v),
    ),
    "magic": ("a tuple of Magic", lambda v: isinstance(v, tuple) and all(isinstance(one, Magic) for one in v)),
    "capabilities": ("Capabilities", lambda v: isinstance(v, Capabilities)),
    "drops": ("a frozenset of strings", _strings(frozenset)),
    "supports": ("a frozenset of strings", _strings(frozenset)),
    "alignment": ("a number of bytes or None", lambda v: v is None or (isinstance(v, int) and v > 0)),
}
_METHODS = ("sniff", "read", "plan", "write", "validate")


def examined_format(one: object) -> Format:
    """`one`, when it is a format; `PluginError` that says what it lacks."""
    if isinstance(one, type):
        raise PluginError(f"hub_formats gave the class {one.__name__}, an instance was expected")
    lacking = [name for name in (*_MEMBERS, *_METHODS) if not hasattr(one, name)]
    if lacking:
        raise PluginError(f"hub_formats gave {one!r}, which is no Format: it has no {', '.join(lacking)}")
    for name, (expected, holds) in _MEMBERS.items():
        if not holds(getattr(one, name)):
            raise PluginError(f"{name} of {type(one).__name__} is {getattr(one, name)!r}, {expected} was expected")
    for name in _METHODS:
        if not callable(getattr(one, name)):
            raise PluginError(f"{name} of {type(one).__name__} is no method")
    return one  # type: ignore[return-value]  # it has all members
