"""Who can open an encrypted file: holders of X25519 keys, or of a passphrase.

Each recipient has an entry in the header that wraps the file's own key (32 random bytes) in AES-256-GCM, under a key
that is used once:

- X25519 (RFC 7748): the sender makes a key pair for this entry alone and keeps its public half, `share`. The wrapping
  key is HKDF-SHA256 (RFC 5869) of the shared secret, with salt share | recipient's public key.
- Passphrase: Argon2id (RFC 9106) with a random salt; the parameters are those of its second recommendation.

The nonce is zero because no wrapping key wraps twice.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hub.errors import HubError, UnsupportedFile
from hub.signing._pem import Passphrase, load_private, load_public

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

KEY = 32
WRAPPED = KEY + 16
_NONCE = bytes(12)

# The most that a file may ask for before it is known to be authentic: 1 GiB and about ten seconds.
MOST_MEMORY_KIB, MOST_PASSES, MOST_LANES = 1 << 20, 16, 16


@dataclass(frozen=True, slots=True)
class ToKey:
    """An entry for an X25519 key: the sender's `share`, and the file's key wrapped."""

    kind: ClassVar[str] = "x25519"
    share: bytes
    wrapped: bytes

    @classmethod
    def make(cls, file_key: bytes, recipient: X25519PublicKey) -> ToKey:
        """`file_key` for `recipient`."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        ephemeral = X25519PrivateKey.generate()
        share, public = ephemeral.public_key().public_bytes_raw(), recipient.public_bytes_raw()
        return cls(share, _wrap(hkdf(ephemeral.exchange(recipient), share + public, cls.kind), file_key))

    def open(self, identity: X25519PrivateKey) -> bytes | None:
        """The file's key; None when the entry is another's."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

        try:
            shared = identity.exchange(X25519PublicKey.from_public_bytes(self.share))
        except ValueError:  # a share of low order, whose secret everybody knows
            return None
        salt = self.share + identity.public_key().public_bytes_raw()
        return _unwrap(hkdf(shared, salt, self.kind), self.wrapped)


@dataclass(frozen=True, slots=True)
class ToPassphrase:
    """An entry for a passphrase: Argon2id's salt and parameters, and the file's key wrapped."""

    kind: ClassVar[str] = "argon2id"
    salt: bytes
    memory_kib: int
    passes: int
    lanes: int
    wrapped: bytes

    @classmethod
    def make(
        cls, file_key: bytes, passphrase: bytes, *, memory_kib: int = 1 << 16, passes: int = 3, lanes: int = 4
    ) -> ToPassphrase:
        """`file_key` for who knows `passphrase`."""
        salt = os.urandom(16)
        return cls(
            salt, memory_kib, passes, lanes, _wrap(_stretched(passphrase, salt, memory_kib, passes, lanes), file_key)
        )

    def open(self, passphrase: bytes) -> bytes | None:
        """The file's key; None when the passphrase is another."""
        return _unwrap(_stretched(passphrase, self.salt, self.memory_kib, self.passes, self.lanes), self.wrapped)


def hkdf(secret: bytes, salt: bytes, purpose: str) -> bytes:
    """32 bytes derived from `secret` for one purpose (RFC 5869 with SHA-256)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), KEY, salt, f"hub-encrypted/1 {purpose}".encode()).derive(secret)


def load_recipient(file: Path) -> X25519PublicKey:
    """The X25519 public key in a PEM file; errors as `hub.signing.load_public`, `UnsupportedFile` for other kinds."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    key = load_public(file)
    if not isinstance(key, X25519PublicKey):
        raise UnsupportedFile("not an X25519 key", file=file, hint="hub keygen --type x25519 makes one")
    return key


def load_identity(file: Path, passphrase: Passphrase | None = None) -> X25519PrivateKey:
    """The X25519 private key in a PEM file; errors as `hub.signing.load_private`, `UnsupportedFile` for other kinds."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = load_private(file, passphrase)
    if not isinstance(key, X25519PrivateKey):
        raise UnsupportedFile("not an X25519 key", file=file, hint="the key of a recipient is needed")
    return key


def _stretched(passphrase: bytes, salt: bytes, memory_kib: int, passes: int, lanes: int) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        made = Argon2id(salt=salt, length=KEY, iterations=passes, lanes=lanes, memory_cost=memory_kib)
    except UnsupportedAlgorithm as error:
        raise HubError("this build of cryptography has no Argon2id", hint="it takes OpenSSL 3.2 or later") from error
    return made.derive(passphrase)


def _wrap(key: bytes, file_key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key).encrypt(_NONCE, file_key, None)


def _unwrap(key: bytes, wrapped: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(_NONCE, wrapped, None)
    except InvalidTag:
        return None
