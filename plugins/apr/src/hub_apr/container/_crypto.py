"""Encryption and signatures of APR v1 files; APR v2 has neither.

Password: salt 16, nonce 12, ciphertext; Argon2id (19456 KiB, 2 passes, 1 lane) makes the key. Recipient: ephemeral
X25519 key 32, first 8 bytes of the recipient's public key, nonce 12, ciphertext; HKDF-SHA256 makes the key. The
ciphertext is AES-256-GCM with its 16-byte tag at the end. Nothing in a file says which of the two it is.
"""

from __future__ import annotations

from pathlib import Path

from hub.errors import DamagedFile, UnsupportedFile

_TAG = 16


def decrypt(data: bytes, path: Path, *, password: str | None, secret_key: bytes | None) -> bytes:
    """The plain payload; `UnsupportedFile` when the password or key does not fit it."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    head = 28 if secret_key is None else 52
    if len(data) < head + _TAG:
        raise DamagedFile(f"an encrypted payload takes at least {head + _TAG} bytes, {len(data)} are there", file=path)
    key = _password_key(password or "", data[:16]) if secret_key is None else _shared_key(secret_key, data[:32])
    try:
        return AESGCM(key).decrypt(data[head - 12 : head], data[head:], None)
    except InvalidTag:
        what = "password" if secret_key is None else "recipient key"
        raise UnsupportedFile(f"the {what} does not open the payload, or it was changed", file=path) from None


def verify(signed: bytes, *, signature: bytes, public_key: bytes) -> bool:
    """True when `signature` is the Ed25519 signature of `signed` by `public_key`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _password_key(password: str, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    return Argon2id(salt=salt, length=32, iterations=2, lanes=1, memory_cost=19456).derive(password.encode())


def _shared_key(secret_key: bytes, ephemeral: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    shared = X25519PrivateKey.from_private_bytes(secret_key).exchange(X25519PublicKey.from_public_bytes(ephemeral))
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"apr-v1-encrypt").derive(shared)
