"""Commands that plugins bring: found by name in the entry points `hub.v1.commands`, imported when used or listed.

    [project.entry-points."hub.v1.commands"]
    run = "hub_runtime.commands.run:run"

The object is a function that typer turns into a command, or a `typer.Typer` with commands of its own. A function is
thin: parse, work, print; it returns the exit code (None is 0) or raises `HubError`.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer

from hub.errors import NoPlugin, PluginError

GROUP = "hub.v1.commands"

# Commands of the packages around the hub, and the package that brings each.
ELSEWHERE = dict.fromkeys(
    ("run", "chat", "serve", "embed", "bench", "showcase", "profile", "trace", "compare", "perplexity", "cache"),
    "hub-runtime",
)
_INSTALL = {"hub-runtime": "hub runtime install adds it"}


@cache
def extensions() -> dict[str, list[EntryPoint]]:
    """The entry points of each command name, of plugins that HUB_DISABLE_PLUGINS does not name."""
    points = entry_points()
    off = {name for name in os.environ.get("HUB_DISABLE_PLUGINS", "").split(",") if name}
    off |= {_distribution(p) for p in points.select(group="hub.v1") if p.name in off}
    found: dict[str, list[EntryPoint]] = {}
    for point in points.select(group=GROUP):
        if _distribution(point) not in off:
            found.setdefault(point.name, []).append(point)
    return found


def known() -> set[str]:
    """Names of commands that plugins bring, or that a package which is not there would bring."""
    return extensions().keys() | ELSEWHERE.keys()


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "?"


def load(name: str) -> Any:
    """The object behind command `name`; one that cannot be used is a command that says why.

    `NoPlugin` naming the package for a command that another package would bring.
    """
    points = extensions().get(name, [])
    if not points and name in ELSEWHERE:
        package = ELSEWHERE[name]
        raise NoPlugin(f"the command {name} comes with the package {package}", hint=_INSTALL[package])
    try:
        if len(points) > 1:
            raise PluginError(f"{name} is brought by {' and '.join(sorted(map(_distribution, points)))}")
        return points[0].load()
    except Exception as error:  # a stranger's command must not take the help or the others down
        return _unusable(_distribution(points[0]), error)


def _unusable(distribution: str, error: Exception) -> Any:
    reason = error.message if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"

    def unusable() -> None:
        raise PluginError(f"the command cannot be used: {reason}", plugin=distribution) from error

    unusable.__doc__ = f"(cannot be used: {reason})"
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    single.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(unusable)
    return single
