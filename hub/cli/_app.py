"""The program: which commands there are, what becomes of errors, and exit codes.

Exit codes: 0 yes, 1 the answer is no, 2 usage or could not run, 130 interrupted, 143 terminated, 129 hung up,
141 nobody reads the output.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hub import __version__
from hub.cli import _extensions
from hub.errors import HubError, Terminated, UsageError

# In the order of `hub --help`. Command NAME is the function, or group, NAME of the module `hub.cli._NAME`.
COMMANDS = (
    "convert", "inspect", "tensors", "check", "validate", "diff", "rosetta", "formats", "plugins", "demo", "runtime",
    "ci",
)  # fmt: skip

INTERRUPTED = 130
HANGUP = 141


def _command(name: str) -> Any:
    found = getattr(import_module(f"hub.cli._{name}"), name) if name in COMMANDS else _extensions.load(name)
    return _extensions.command(name, found)


def _names() -> list[str]:
    """Our own commands, then those of plugins; one with a dot belongs to a group."""
    brought = sorted(_extensions.extensions().keys() - set(COMMANDS))
    return [*COMMANDS, *(name for name in brought if "." not in name)]


class _Commands(dict[str, Any]):
    """Commands by name, imported when looked up: one that is not used costs nothing and cannot break the others."""

    def __missing__(self, name: str) -> Any:
        self[name] = _command(name)
        return self[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in COMMANDS or (name in _extensions.known() and "." not in name) else default

    def keys(self) -> Any:
        return dict.fromkeys(_names()).keys()


class Program(TyperGroup):
    """Commands of a program of its own; a reader that hangs up ends the run quietly."""

    def invoke(self, ctx: Any) -> Any:  # the signature is click's
        """Run the command; its exit code."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes once more at exit; with the pipe gone that would print an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return HANGUP
        return code


class _Group(Program):
    """The commands of the table above and of plugins."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        return _names()


app = typer.Typer(cls=_Group, rich_markup_mode=None, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hub {__version__}")
        raise typer.Exit


@app.callback()
def _hub(
    version: Annotated[  # acted upon by its callback
        bool, typer.Option("--version", help="Show the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Convert, check and compare machine-learning models across formats, exactly and verified."""


def main(args: Sequence[str] | None = None, *, program: Any = app, name: str = "hub") -> int:
    """Run `hub` with `args` (`sys.argv` by default) and return its exit code; nothing is raised.

    Another `program`, called `name`, runs in the same manner.
    """
    for output in ("stdout", "stderr"):
        if getattr(sys, output) is None:  # closed by the caller; its descriptor must not go to a model file either
            setattr(sys, output, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may hold what the terminal's charset, or any, cannot
            stream.reconfigure(errors="backslashreplace")
    args = sys.argv[1:] if args is None else args
    if threading.current_thread() is threading.main_thread():
        _catch_signals()
    try:
        _check_filled(args)
        code = program(args or ["--help"], prog_name=name, standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as error:
        code = error.code
    except Exception as error:  # the last stand: whatever happens is one line and an exit code
        code = _failed(error, name)
    _warn()
    return code if isinstance(code, int) else 0


def _check_filled(args: Sequence[str]) -> None:
    """An empty path would mean the working directory; most often it is a shell variable that is not set."""
    if "" in args and args[0] in COMMANDS:
        raise UsageError("an argument is empty")


def _catch_signals() -> None:
    """A request to end and a closed terminal leave nothing behind; one that the caller ignores (nohup) stays so."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminated)


def _terminated(number: int, frame: object) -> None:  # noqa: ARG001  # the signature is signal's
    """End as the signal asks, but through every `finally`, so that nothing half written stays."""
    raise Terminated(128 + number)


def _failed(error: Exception, program: str) -> int:
    if os.environ.get("HUB_DEBUG"):
        traceback.print_exception(error)
    elif hasattr(error, "format_message"):  # click's usage errors
        _say("error", f"{error.format_message()} (see {program} --help)")
    elif isinstance(error, HubError | OSError):
        _say("error", str(error))
    else:
        _say("error", f"{type(error).__name__}: {error}; HUB_DEBUG=1 shows where")
    return error.exit_code if isinstance(error, HubError) else 2


def _warn() -> None:
    """Name the plugins that could not be used, when this run looked for plugins at all."""
    plugins = sys.modules.get("hub.plugins")
    if plugins is not None and plugins.registry.cache_info().currsize:
        for problem in plugins.registry().problems:
            _say("warning", f"plugin {problem.plugin} is not used: {problem.message}")


def _say(kind: str, message: str) -> None:
    from hub.cli._output import clean

    print(f"hub: {kind}: {clean(' '.join(message.split()))}", file=sys.stderr)
