"""Commands that plugins bring: found by name in the entry points `hub.v1.commands`, imported when used or listed.

    [project.entry-points."hub.v1.commands"]
    run = "hub_runtime.commands.run:run"

The object is a function that typer turns into a command, or a `typer.Typer` with commands of its own. A function is
thin: parse, work, print; it returns the exit code (None is 0) or raises `HubError`. A name with a dot is a command of
one of our groups: `rosetta.compare-inference`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

import typer
from typer.core import TyperGroup

from hub import points
from hub.errors import NoPlugin, PluginError

# Commands of the packages around the hub, and the package that brings each.
ELSEWHERE = dict.fromkeys(
    ("run", "chat", "serve", "embed", "bench", "showcase", "profile", "trace", "compare", "perplexity", "cache"),
    "hub-runtime",
) | dict.fromkeys(("import", "pull", "publish"), "hub-sources")
ELSEWHERE |= {"rosetta.compare-inference": "hub-runtime", "report": "hub-runtime", "registry": "hub-registry"}
ELSEWHERE |= {"bundle": "hub-deploy", "deploy": "hub-deploy"}
ELSEWHERE |= {"data": "hub-data"}
_INSTALL = {
    "hub-data": "pip install hub-data adds it",
    "hub-deploy": "pip install hub-deploy adds it", "hub-registry": "pip install hub-registry adds it",
    "hub-runtime": "hub runtime install adds it", "hub-sources": "pip install hub-sources adds it",
}  # fmt: skip


@cache
def extensions() -> dict[str, list[EntryPoint]]:
    """The entry points of each command name, of plugins that are not left out."""
    return points.command_points()


def known() -> set[str]:
    """Names of commands that plugins bring, or that a package which is not there would bring."""
    return extensions().keys() | ELSEWHERE.keys()


def command(name: str, found: Any) -> Any:
    """What click runs as `name`: of a function or a `typer.Typer`."""
    if not isinstance(found, typer.Typer):
        single = typer.Typer(rich_markup_mode=None, add_completion=False)
        single.command(name)(found)
        found = single
    made = typer.main.get_command(found)
    made.name = name
    return made


class Group(TyperGroup):
    """A group of our own commands that plugins add to."""

    def list_commands(self, ctx: Any) -> list[str]:  # the signature is click's
        """Our own, in order, then those that are installed."""
        brought = (name.partition(".") for name in sorted(extensions()))
        return [*self.commands, *(rest for group, _, rest in brought if group == self.name and rest)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or None."""
        brought = f"{self.name}.{cmd_name}"
        if cmd_name in self.commands or brought not in known():
            return super().get_command(ctx, cmd_name)
        return command(cmd_name, load(brought))


def load(name: str) -> Any:
    """The object behind command `name`; one that cannot be used is a command that says why.

    `NoPlugin` naming the package for a command that another package would bring.
    """
    found = extensions().get(name, [])
    if not found and name in ELSEWHERE:
        package = ELSEWHERE[name]
        raise NoPlugin(f"the command {name.replace('.', ' ')} comes with the package {package}", hint=_INSTALL[package])
    try:
        if len(found) > 1:
            raise PluginError(f"{name} is brought by {' and '.join(sorted(map(points.distribution, found)))}")
        return found[0].load()
    except Exception as error:  # a stranger's command must not take the help or the others down
        return _unusable(points.distribution(found[0]), error)


def _unusable(distribution: str, error: Exception) -> Any:
    reason = error.message if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"

    def unusable() -> None:
        raise PluginError(f"the command cannot be used: {reason}", plugin=distribution) from error

    unusable.__doc__ = f"(cannot be used: {reason})"
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    single.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(unusable)
    return single
