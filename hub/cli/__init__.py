"""The command line: one module a command, each thin: parse, call `hub.inspection` or `hub.pipeline`, print."""

from hub.cli._app import COMMANDS, main

__all__ = ["COMMANDS", "main"]
