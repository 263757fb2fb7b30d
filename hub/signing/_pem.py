"""Key files: PKCS#8 (RFC 5958) and SubjectPublicKeyInfo (RFC 5280) in PEM, of any kind of key.

Private keys are made with mode 0600 from their first moment and never written over anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from hub.errors import DamagedFile, HubError, TargetExists, UnsupportedFile

Passphrase: TypeAlias = Callable[[], bytes]

_LARGEST = 64 * 1024


def load_private(file: Path, passphrase: Passphrase | None = None) -> Any:
    """The private key of `cryptography` in a PEM file; `passphrase` is asked only when the key is encrypted.

    `HubError` when the passphrase is needed and missing, or wrong; `UnsupportedFile` for a public key, `DamagedFile`
    for none.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(file)
    if b"PUBLIC KEY" in data and b"PRIVATE KEY" not in data:
        raise UnsupportedFile("is a public key where a private one belongs", file=file)
    encrypted = b"ENCRYPTED" in data
    if encrypted and passphrase is None:
        hint = "--passphrase-file names a file that holds it"
        raise HubError("this key is encrypted and no passphrase was given", file=file, hint=hint)
    secret = passphrase() if encrypted and passphrase else None
    try:
        return load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise HubError("the passphrase is wrong, or the key is damaged", file=file) from error
        raise DamagedFile("no private key in PEM (BEGIN PRIVATE KEY) that can be read", file=file) from error


def load_public(file: Path) -> Any:
    """The public key of `cryptography` in a PEM file; `UnsupportedFile` for a private one, `DamagedFile` for none."""
    data = _read(file)
    if b"PRIVATE KEY" in data:
        hint = f"the public one is usually {file.name}.pub"
        raise UnsupportedFile("is a private key where a public one belongs", file=file, hint=hint)
    return parse_public(data, file)


def parse_public(data: bytes, file: Path | None = None) -> Any:
    """The public key of `cryptography` in PEM bytes; `file` is named in errors."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DamagedFile("no public key in PEM (BEGIN PUBLIC KEY) that can be read", file=file) from error


def public_pem(key: Any) -> bytes:
    """A public key of `cryptography` as SubjectPublicKeyInfo in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def write_pair(private: Any, file: Path, secret: bytes | None = None) -> Path:
    """Write a private key of `cryptography` to `file` and its public key to `file`.pub; the latter's path.

    `secret` encrypts it (PBES2 with AES-256-CBC, as OpenSSL does). `TargetExists` when either file is there already;
    neither is then written.
    """
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    public = file.with_name(f"{file.name}.pub")
    for path in (file, public):
        if path.is_symlink() or path.exists():
            raise _taken(path)
    hidden = BestAvailableEncryption(secret) if secret else NoEncryption()
    _create(file, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden), 0o600)
    try:
        _create(public, public_pem(private.public_key()), 0o644)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return public


def _taken(file: Path) -> TargetExists:
    return TargetExists("exists already, and a key is never overwritten", file=file)


def _create(file: Path, data: bytes, mode: int) -> None:
    """Write a new file that nobody could ever open with more rights than `mode` gives; whole or not at all."""
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise _taken(file) from error
    except OSError as error:
        raise HubError(f"cannot be written: {error.strerror}", file=file) from error
    try:
        with os.fdopen(fd, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            data = source.read(_LARGEST + 1)
    except OSError as error:
        raise HubError(f"the key cannot be read: {error.strerror}", file=file) from error
    if len(data) > _LARGEST:
        raise DamagedFile(f"no key: it is larger than {_LARGEST} bytes", file=file)
    return data
