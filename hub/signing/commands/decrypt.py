"""`hub decrypt`: what `hub encrypt` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import Json
from hub.errors import UsageError
from hub.signing.commands._arguments import Force, PassphraseFile, read_passphrase
from hub.signing.commands.encrypt import report

if TYPE_CHECKING:
    from hub.signing import Passphrase


def decrypt(
    encrypted: Annotated[Path, typer.Argument(metavar="FILE", help="A file that hub encrypt wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The file, or folder, to write.")],
    key: Annotated[
        Path | None, typer.Option("--key", metavar="KEY", help="X25519 private key, PEM, of a recipient.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Decrypt a model.

    Nothing is written that is not authentic, and nothing stays when the end is not. Exit code 1 for another key, or
    when a byte is not what was encrypted. The passphrase is the file's own, or with --key that of an encrypted KEY.
    """
    from hub.signing.commands._passphrases import known_passphrase
    from hub.signing.encryption import decrypt as run
    from hub.signing.encryption import load_identity

    if key is None:
        passphrase = read_passphrase(passphrase_file) if passphrase_file else None
        report("decrypt", run(encrypted, output, passphrase=passphrase, overwrite=force), as_json)
        return
    wanted: list[bool] = []
    identity = load_identity(key, _noted(known_passphrase(passphrase_file), wanted))
    if passphrase_file is not None and not wanted:
        raise UsageError("--passphrase-file has no effect: KEY is not encrypted")
    report("decrypt", run(encrypted, output, identity=identity, overwrite=force), as_json)


def _noted(passphrase: Passphrase | None, wanted: list[bool]) -> Passphrase | None:
    """`passphrase`, which notes in `wanted` that it was asked."""

    def ask() -> bytes:
        wanted.append(True)
        return passphrase() if passphrase is not None else b""

    return None if passphrase is None else ask
