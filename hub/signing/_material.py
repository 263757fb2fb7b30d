"""How a signature names a version of a data set that a model was made from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Material:
    """A version of a data set as a signature names it: the sha256 of its manifest, and the digest of its content."""

    name: str
    version: int
    sha256: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name} version {self.version} (content {self.digest[:16]})"

    def resource(self) -> dict[str, Any]:
        """The in-toto ResourceDescriptor that says it."""
        annotations = {"hub.version": self.version, "hub.content": self.digest}
        return {"name": self.name, "digest": {"sha256": self.sha256}, "annotations": annotations}

    @classmethod
    def parse(cls, value: Any) -> Material:
        """The material in a ResourceDescriptor; `ValueError` when it is none."""
        try:
            name, sha256 = value["name"], value["digest"]["sha256"]
            version, digest = value["annotations"]["hub.version"], value["annotations"]["hub.content"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"lacks {error}") from error
        if not isinstance(name, str) or not is_count(version) or not is_sha256(sha256) or not is_sha256(digest):
            raise ValueError("has a part of the wrong type")
        return cls(name, version, sha256, digest)


def is_count(value: Any) -> bool:
    """True for an integer that counts something."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_sha256(value: Any) -> bool:
    """True for a SHA-256 in hex."""
    return isinstance(value, str) and bool(_SHA256.fullmatch(value))
