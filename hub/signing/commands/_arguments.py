"""Options that several of these commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from hub.errors import UsageError

Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
PassphraseFile: TypeAlias = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="F", help="File that holds the passphrase.")
]


def read_passphrase(file: Path) -> bytes:
    """The passphrase in `file`, without the newline that ends it; `UsageError` when there is none."""
    from hub.signing import read_bounded

    secret = read_bounded(file, 4096)
    secret = secret.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise UsageError("no passphrase is in it", file=file)
    return secret
