"""The program that a bundle is: the commands of hub-runtime with the model filled in, and what is inside."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distribution
from pathlib import Path
from typing import Any

import typer

from hub.cli import Json, Program, emit, main, pairs, say, table

# Commands that take no model: about the cache of converted ones, about reports.
_WITHOUT = frozenset({"cache", "report"})
_FIRST = ("run", "chat", "serve", "embed", "inspect", "verify")


@dataclass(frozen=True, slots=True)
class This:
    """The bundle that runs: where it lies, and what it says of itself."""

    path: Path
    contents: Mapping[str, Any]


def run(path: Path, contents: Mapping[str, Any], arguments: Sequence[str]) -> int:
    """Do what `arguments` say; the exit code."""
    own_processes(path)
    return main(arguments, program=_App(This(path, contents)), name=path.name)


def own_processes(path: Path) -> None:
    """Further processes of this program (replicas) are started by the bundle."""
    from hub import processes

    processes.start_with(sys.executable, "-I", "-S", str(path))


class _App(Program):
    """The commands: `_FIRST`, then the rest by name."""

    def __init__(self, this: This) -> None:
        name = this.contents["model"]["name"] or this.contents["model"]["source"]
        super().__init__(name=this.path.name, help=f"Run {name}, which is inside this file.", rich_markup_mode=None)
        self._this = this
        self._points = {p.name: p for p in _points()}

    def list_commands(self, ctx: Any) -> list[str]:  # the signature is click's
        names = {*self._points, *_OWN}
        return [n for n in _FIRST if n in names] + sorted(names - set(_FIRST))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in _OWN:
            return _command(cmd_name, _OWN[cmd_name](self._this))
        if cmd_name not in self._points:
            return None
        return _filled(_command(cmd_name, self._points[cmd_name].load()), self._this)


def _points() -> list[EntryPoint]:
    found = distribution("hub-runtime").entry_points.select(group="hub.v1.commands")
    return [p for p in found if p.name not in _WITHOUT and "." not in p.name]


def _command(name: str, function: Any) -> Any:
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    single.command(name)(function)
    made = typer.main.get_command(single)
    made.name = name
    return made


def _filled(command: Any, this: This) -> Any:
    """`command` without its argument MODEL, which is `this`; of several models it is the first."""
    inner = command.callback
    argument = next(p for p in command.params if p.param_type_name == "argument" and p.name in ("model", "models"))
    if argument.name == "model":
        command.params.remove(argument)
        command.callback = lambda **given: inner(model=this.path, **given)
    else:
        first = _served(this) if command.name == "serve" else this.path
        argument.required = False
        argument.metavar = "[MODEL...]"
        command.callback = lambda **given: inner(**given | {"models": [first, *(given["models"] or ())]})
    return command


def _served(this: This) -> str:
    """The model under the name that its source had, when clients can call it that."""
    name = Path(this.contents["model"]["source"]).stem
    usable = name.replace("-", "").replace(".", "").replace("_", "").isalnum() and name[0].isalnum()
    return f"{name}={this.path}" if usable else os.fspath(this.path)


def _inspect(this: This) -> Any:
    def inspect(as_json: Json = False) -> None:
        """Show what is inside: the model, where it runs, every package with its license."""
        from hub_deploy.bundle.contents import lines, shown

        if as_json:
            emit("bundle-contents", {"path": this.path, **shown(this.contents)})
            return
        pairs(lines(this.contents))
        say()
        rows = [(p["name"], p["version"], p["license"]) for p in this.contents["packages"]]
        table(("package", "version", "license"), rows)

    return inspect


def _verify(this: This) -> Any:
    def verify(as_json: Json = False) -> None:
        """Compare every byte of this file with its digest; all but the model were compared at this start already."""
        from hub.embedded import embedded

        inside = embedded(this.path)
        assert inside is not None  # noqa: S101  # the preamble was compared
        inside.check()
        if as_json:
            emit("bundle-verified", {"path": this.path, "nbytes": this.path.stat().st_size, "digest": inside.digest})
        else:
            say(f"{this.path}: whole; every byte is what the bundle was made of")

    return verify


_OWN = {"inspect": _inspect, "verify": _verify}
