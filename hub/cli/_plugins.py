"""`hub plugins`: which plugins are installed and which could not be used."""

from __future__ import annotations

from hub.cli import _output as out
from hub.cli._arguments import Json


def plugins(as_json: Json = False) -> None:
    """List the installed plugins.

    The formats they bring, and what kept others from being used.
    """
    from hub.inspection import list_plugins
    from hub.plugins import registry

    report = list_plugins(registry())
    if as_json:
        out.emit("plugins", report)
    else:
        rows = [(p.name, p.distribution, p.version, " ".join(p.formats)) for p in report.plugins]
        out.table(("plugin", "distribution", "version", "formats"), rows)
        out.pairs((f"problem in {p.plugin}", p.message) for p in report.problems)
