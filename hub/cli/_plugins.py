"""`hub plugins`: which plugins are installed and which could not be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.cli import _output as out
from hub.cli._arguments import Json

if TYPE_CHECKING:
    from hub.inspection import PluginLine

KINDS = ("formats", "codecs", "sources", "runtimes", "hooks", "commands")


def plugins(as_json: Json = False) -> None:
    """List the installed plugins.

    What they provide, and what kept others from being used.
    """
    from hub.cli._app import COMMANDS
    from hub.inspection import list_plugins
    from hub.plugins import registry

    report = list_plugins(registry(), COMMANDS)
    if as_json:
        out.emit("plugins", report)
    else:
        rows = [(p.name, p.distribution, p.version, provided(p)) for p in report.plugins]
        out.table(("plugin", "distribution", "version", "provides"), rows)
        out.pairs((f"problem in {p.plugin}", p.message) for p in report.problems)


def provided(plugin: PluginLine) -> str:
    """Everything that a plugin provides, in one line."""
    return "; ".join(f"{kind} {' '.join(getattr(plugin, kind))}" for kind in KINDS if getattr(plugin, kind))
