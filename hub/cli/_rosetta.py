"""`hub rosetta`: translating between formats, and showing that nothing was lost."""

from __future__ import annotations

from collections.abc import Callable

import typer

from hub.cli._chain import chain, verify
from hub.cli._convert import convert
from hub.cli._diff_tensors import diff_tensors
from hub.cli._extensions import Group
from hub.cli._fingerprint import fingerprint
from hub.cli._inspect import inspect

rosetta = typer.Typer(cls=Group, rich_markup_mode=None, add_completion=False)


@rosetta.callback()
def _rosetta() -> None:
    """Translate between formats, and show what was lost."""


_COMMANDS: dict[str, Callable[..., int | None]] = {
    "convert": convert, "inspect": inspect, "chain": chain, "verify": verify, "diff-tensors": diff_tensors,
    "fingerprint": fingerprint,
}  # fmt: skip
for _name, _command in _COMMANDS.items():
    rosetta.command(_name)(_command)
