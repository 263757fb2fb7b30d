"""`hub keygen`: a new pair of keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hub import cli as out
from hub.errors import UsageError
from hub.signing.commands._arguments import PassphraseFile

TYPES = ("p256", "ed25519", "x25519")


def keygen(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="KEY", help="Where the private key goes.")],
    type_: Annotated[
        str, typer.Option("--type", metavar="|".join(TYPES), help="p256 and ed25519 sign, x25519 decrypts.")
    ] = "p256",
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for a passphrase; encrypt the key.")] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a pair of keys.

    KEY is the private one (PKCS#8, readable by you alone), KEY.pub the public one. Nothing is overwritten. The
    environment may hold the passphrase as HUB_KEY_PASSPHRASE.
    """
    from hub.signing import PublicKey, write_pair
    from hub.signing.commands._passphrases import new_passphrase

    if type_ not in TYPES:
        raise UsageError(f"--type is one of {', '.join(TYPES)}, not {type_!r}")
    secret = new_passphrase(passphrase_file, ask=passphrase)
    public = write_pair(_generate(type_), output, secret)
    out.pairs(
        [
            ("Private key", f"{output} ({type_}, {'encrypted' if secret else 'not encrypted'})"),
            ("Public key", public),
            ("Fingerprint", None if type_ == "x25519" else PublicKey.load(public).fingerprint),
        ]
    )


def _generate(type_: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from hub.signing import PrivateKey

    return X25519PrivateKey.generate() if type_ == "x25519" else PrivateKey.generate(type_).key  # type: ignore[arg-type]
