"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer


def model_path(text: str) -> Path:
    """The path that a user's word for a model means: a path, or a name that a source keeps it under."""
    from hub.locating import located

    return located(text)


ModelPath: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A model file, a folder with a model, or a name.", parser=model_path),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Filter: TypeAlias = Annotated[
    str | None,
    typer.Option("--filter", metavar="PATTERN", help="Only tensors whose name holds PATTERN, or matches it (* ? [])."),
]
