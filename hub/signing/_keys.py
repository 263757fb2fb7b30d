"""Keys that sign and keys that verify: Ed25519, and the curves of OpenSSF Model Signing 1.0 (P-256, P-384, P-521).

The algorithm of a signature always comes from the key that the user holds, never from what is being verified.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from hub.errors import UnsupportedFile
from hub.signing._pem import Passphrase, load_private, load_public, parse_public, public_pem, write_pair

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    Private: TypeAlias = EllipticCurvePrivateKey | Ed25519PrivateKey
    Public: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey

KeyType = Literal["ed25519", "p256", "p384", "p521"]

# The curve of each type by its name in SEC 2, and the hash that goes with it (sigstore_common.proto, PublicKeyDetails).
_CURVES: dict[str, tuple[KeyType, str]] = {
    "secp256r1": ("p256", "SHA256"), "secp384r1": ("p384", "SHA384"), "secp521r1": ("p521", "SHA512"),
}  # fmt: skip

# OpenSSF Model Signing 1.0, algorithm-registry.md, "Signing Key Types".
OMS_TYPES: frozenset[str] = frozenset({"p256", "p384", "p521"})


def _ecdsa(curve: str) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.ECDSA(getattr(hashes, _CURVES[curve][1])())


def _type(key: Any, file: Path | None) -> KeyType:
    """The type of a key of `cryptography`, private or public; `UnsupportedFile` when it is none that signs."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name][0]
    curve = getattr(key, "curve", None)
    kind = curve.name if curve else type(key).__name__.removesuffix("PublicKey").removesuffix("PrivateKey")
    raise UnsupportedFile(f"a key of the kind {kind}; signatures are of ed25519, p256, p384 and p521", file=file)


@dataclass(frozen=True, eq=False)
class PublicKey:
    """A key that verifies. Two are equal when their fingerprints are."""

    type: KeyType
    key: Public

    @cached_property
    def pem(self) -> bytes:
        """SubjectPublicKeyInfo as PEM."""
        return public_pem(self.key)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over `pem` in hex: the hint by which model-signing 1.1 names a key."""
        return hashlib.sha256(self.pem).hexdigest()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """True when `signature` is this key's over `message`, by the algorithm of this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, message)
            else:
                self.key.verify(signature, message, _ecdsa(self.key.curve.name))
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.fingerprint == self.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @classmethod
    def load(cls, file: Path) -> PublicKey:
        """The key in a PEM file. `DamagedFile` when there is none, `UnsupportedFile` for keys that do not verify."""
        key = load_public(file)
        return cls(_type(key, file), key)

    @classmethod
    def parse(cls, data: bytes, file: Path | None = None) -> PublicKey:
        """The key in PEM bytes; `file` is named in errors."""
        key = parse_public(data, file)
        return cls(_type(key, file), key)


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs."""

    type: KeyType
    key: Private

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return PublicKey(self.type, self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`: 64 bytes for Ed25519 (RFC 8032), DER for ECDSA (RFC 3279)."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, _ecdsa(self.key.curve.name))

    @classmethod
    def generate(cls, type_: KeyType = "p256") -> PrivateKey:
        """A new key; P-256 is what every tool for OpenSSF Model Signing verifies."""
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519

        if type_ == "ed25519":
            return cls(type_, ed25519.Ed25519PrivateKey.generate())
        curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
        return cls(type_, ec.generate_private_key(curves[type_]))

    @classmethod
    def load(cls, file: Path, passphrase: Passphrase | None = None) -> PrivateKey:
        """The key in a PEM file; `passphrase` is asked only when the key is encrypted.

        `HubError` when it is needed and missing or wrong, `DamagedFile` when there is no key, `UnsupportedFile` for
        keys that do not sign.
        """
        key = load_private(file, passphrase)
        return cls(_type(key, file), key)

    def save(self, file: Path, secret: bytes | None = None) -> Path:
        """Write the key to `file` and its public key to `file`.pub, as `write_pair` does; the latter's path."""
        return write_pair(self.key, file, secret)
