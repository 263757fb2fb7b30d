"""Where plugins are found: the entry points of installed distributions, and what the environment says about them.

`HUB_DISABLE_PLUGINS=a,b` leaves plugins out, by name or by distribution, with their commands. `HUB_PLUGINS=module,...`
adds modules that no entry point names. Nothing is imported here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from itertools import takewhile
from typing import Any

GROUP = "hub.v1"
COMMANDS = f"{GROUP}.commands"
_VERSION = re.compile(r"hub\.v\d+")


def distribution(point: EntryPoint) -> str:
    """The distribution that an entry point comes with; "?" for a module of HUB_PLUGINS."""
    return _name(point.dist) if point.dist else "?"


@cache  # each look parses the metadata anew
def _name(dist: Distribution) -> str:
    return dist.name


def version(point: EntryPoint) -> str:
    """The version of that distribution."""
    return point.dist.version if point.dist else "?"


def plugin_points() -> list[EntryPoint]:
    """The entry point of each plugin that is not left out, in the order in which they are loaded."""
    found = sorted(_all().select(group=GROUP), key=lambda p: (p.name, distribution(p)))
    found += [EntryPoint(module, module, GROUP) for module in _listed("HUB_PLUGINS")]
    return [p for p in found if not _off(p)]


def foreign_points() -> Iterator[EntryPoint]:
    """Plugins made for other versions of the contract alone."""
    speaking = {distribution(p) for p in _all().select(group=GROUP)}
    for group in sorted(_all().groups):
        if _VERSION.fullmatch(group) and group != GROUP:
            yield from (p for p in _all().select(group=group) if distribution(p) not in speaking and not _off(p))


def command_points() -> dict[str, list[EntryPoint]]:
    """The entry points of each command that plugins bring, without those of plugins that are left out."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(_all().select(group=COMMANDS), key=lambda p: (p.name, distribution(p))):
        owner = owner_of(point)
        if not _off(point) and (owner is None or not _off(owner)):
            found.setdefault(point.name, []).append(point)
    return found


def owner_of(command: EntryPoint) -> EntryPoint | None:
    """The plugin of the same distribution that a command belongs to: the one whose module is nearest to it."""
    own = [p for p in _all().select(group=GROUP) if distribution(p) == distribution(command)]
    return max(own, key=lambda p: _shared(p.module, command.module), default=None)


def _shared(a: str, b: str) -> int:
    """How many packages two modules have in common, from the top."""
    pairs = zip(a.split("."), b.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@cache
def _all() -> Any:  # its class differs between Python 3.11 and later ones; `select` and `groups` do not
    return entry_points()


def _off(point: EntryPoint) -> bool:
    off = {_normal(name) for name in _listed("HUB_DISABLE_PLUGINS")}
    return not off.isdisjoint({_normal(point.name), _normal(distribution(point))})


def _listed(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _normal(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()
