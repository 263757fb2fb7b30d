"""`hub encrypt`: a model file or folder, for recipients or a passphrase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub import cli as out
from hub.cli import Json
from hub.signing.commands._arguments import Force, PassphraseFile, read_passphrase

if TYPE_CHECKING:
    from hub.signing.encryption import Done


def encrypt(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Any file, a folder, or a name.", parser=out.model_path)
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The encrypted file to write.")],
    recipient: Annotated[
        list[Path] | None,
        typer.Option("--recipient", metavar="PUB", help="X25519 public key, PEM, of who may open it (repeatable)."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Encrypt a model.

    AES-256-GCM in authenticated pieces, for the holders of keys (hub keygen --type x25519) or of a passphrase.
    """
    from hub.signing.encryption import encrypt as run
    from hub.signing.encryption import load_recipient

    keys = [load_recipient(file) for file in recipient or ()]
    passphrase = read_passphrase(passphrase_file) if passphrase_file else None
    report("encrypt", run(model, output, recipients=keys, passphrase=passphrase, overwrite=force), as_json)


def report(command: str, done: Done, as_json: bool) -> None:
    """Print what was done."""
    from hub.inspection import counted

    if as_json:
        out.emit(command, done)
    else:
        inside = counted(done.files, "file") if done.content == "folder" else "one file"
        sizes = f"{done.plain_bytes:,} bytes, {done.encrypted_bytes:,} encrypted"
        out.say(f"{done.source} -> {done.target}: {inside}, {sizes}")
