"""What a signature says of itself, for people to read; nothing here is verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub.errors import HubError
from hub.signing._locations import find_signature

_ED25519_BYTES = 64
_DER_SEQUENCE = 0x30


@dataclass(frozen=True, slots=True)
class Claim:
    """What the signature in `file`, which may be the model itself, claims.

    `key` is a fingerprint, `kind` ("ed25519", "ecdsa") its looks. Where it cannot be read, `problem` says why and the
    rest is None.
    """

    file: Path
    key: str | None = None
    kind: str | None = None
    name: str | None = None
    sequence: int | None = None
    problem: str | None = None


def claim(model: Path) -> Claim | None:
    """The claim of the signature that belongs to `model`; None when there is none. Never raises for damage."""
    try:
        file = find_signature(model).signature
    except HubError:
        return _inside(model)
    from hub.signing._envelope import read_bundle  # not before there is something to read
    from hub.signing._statement import Statement

    try:
        bundle = read_bundle(file)
        statement = Statement.parse(bundle.payload, file)
    except HubError as error:
        return Claim(file, problem=error.message)
    return Claim(file, bundle.hint, _kind(bundle.signature), statement.called, statement.sequence)


def _inside(model: Path) -> Claim | None:
    """The claim of a signature that the model's own file carries."""
    from hub.signing._own import own_signature

    try:
        own = own_signature(model)
    except HubError:  # whoever reads the file says what is wrong with it
        return None
    return None if own is None else Claim(model, own.fingerprint, "ed25519", own.name)


def _kind(signature: bytes) -> str | None:
    """An Ed25519 signature has 64 bytes; one of ECDSA is a DER sequence, of which most have more."""
    if len(signature) == _ED25519_BYTES:
        return "ed25519"
    return "ecdsa" if signature[0] == _DER_SEQUENCE else None
