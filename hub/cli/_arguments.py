"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ModelPath: TypeAlias = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, or a folder with a model.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Filter: TypeAlias = Annotated[
    str | None,
    typer.Option("--filter", metavar="PATTERN", help="Only tensors whose name holds PATTERN, or matches it (* ? [])."),
]
