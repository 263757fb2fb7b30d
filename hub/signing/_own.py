"""Signatures that lie inside a model's own file, as its format has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from hub.errors import BadSignature, DamagedFile, NoPlugin


@dataclass(frozen=True, slots=True)
class OwnSignature:
    """An Ed25519 `signature` (RFC 8032) over `message`, which is all of the file but the signature and its checksum.

    `public_key` is the key that the file names, 32 bytes; it proves nothing. `name` is what the message calls the
    model, None when it does not.
    """

    message: bytes
    signature: bytes
    public_key: bytes
    name: str | None

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the key that the file names, as `hub keygen` prints it."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        from hub.signing._keys import PublicKey

        return PublicKey("ed25519", Ed25519PublicKey.from_public_bytes(self.public_key)).fingerprint


@runtime_checkable
class SignsItself(Protocol):
    """A format whose files may carry a signature of their own."""

    def own_signature(self, path: Path) -> OwnSignature | None:
        """The signature in the file at `path`; None when it has none. `DamagedFile` when the file is damaged."""
        ...


def own_signature(model: Path) -> OwnSignature | None:
    """The signature in the file at `model`, by the plugin that reads it; None when there is none.

    `BadSignature` when the file is damaged, for then it is not what was signed.
    """
    from hub.plugins import registry

    if not model.is_file():
        return None
    try:
        found = registry().find(model)
        return found.own_signature(model) if isinstance(found, SignsItself) else None
    except NoPlugin:
        return None
    except DamagedFile as error:
        raise BadSignature(error.message, file=model) from error
