"""The command line: one module a command, each thin: parse, call `hub.inspection` or `hub.pipeline`, print.

Commands of plugins print with the same functions: `emit` the JSON document, `say`, `pairs` and `table` text, with a
`progress_bar` on standard error.
"""

from hub.cli._app import COMMANDS, Program, main
from hub.cli._arguments import Json, ModelPath, model_path
from hub.cli._convert import nbytes
from hub.cli._groups import takes
from hub.cli._output import clean, document, emit, pairs, say, table
from hub.cli._progress import progress_bar

__all__ = [
    "COMMANDS",
    "Json",
    "ModelPath",
    "Program",
    "clean",
    "document",
    "emit",
    "main",
    "model_path",
    "nbytes",
    "pairs",
    "progress_bar",
    "say",
    "table",
    "takes",
]
