"""API keys: read once at the start, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from hub.errors import UsageError


class Keys:
    """The keys that open the server; only their SHA-256 is kept. Without any, everybody may come in."""

    def __init__(self, keys: list[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    @classmethod
    def read(cls, file: Path | None) -> Keys:
        """The keys of `file`, one a line; blank lines and those that begin with # are none.

        `UsageError` when the file cannot be read or holds no key: the server must not start open by mistake.
        """
        if file is None:
            return cls([])
        try:
            lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"the API key file cannot be read: {reason}", file=file) from error
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys:
            raise UsageError("the API key file holds no key", file=file, hint="one key a line")
        return cls(keys)

    def admits(self, authorization: str | None) -> bool:
        """True when the header `authorization` ("Bearer KEY") carries a key, or none is asked for."""
        if not self._digests:
            return True
        scheme, _, key = (authorization or "").partition(" ")
        given = _digest(key.strip())
        # all keys are compared, so that the time tells nothing
        matches = [hmac.compare_digest(given, digest) for digest in self._digests]
        return scheme.lower() == "bearer" and any(matches)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
