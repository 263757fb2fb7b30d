"""index.json: which manifests the store has, under which names. It is the one thing that says what is there.

OCI's image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) puts a name into the
annotation org.opencontainers.image.ref.name of a manifest's descriptor; a manifest of several names is listed several
times, one that lost its last name stays listed without any until `gc` lets it go.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile
from hub_registry._manifest import INDEX, dumped

REF = "org.opencontainers.image.ref.name"
HEAD = "vnd.hub.registry.history"
"""Annotation of the index: the digest of the line of the history that led here."""


@dataclass(frozen=True)
class Index:
    """The manifests' descriptors in order, and the `head` of the history. A value: changes make another one."""

    descriptors: tuple[Mapping[str, Any], ...] = ()
    head: str | None = None
    annotations: Mapping[str, str] | None = None

    @classmethod
    def read(cls, path: Path) -> Index:
        """What index.json says; `DamagedFile` where it is none."""
        try:
            document = json.loads(path.read_bytes())
            listed, annotations = document["manifests"], document.get("annotations") or {}
            sound = document["schemaVersion"] == 2 and all(isinstance(one["digest"], str) for one in listed)
        except OSError as error:
            raise DamagedFile(f"cannot be read: {error.strerror}", file=path) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedFile(f"is no OCI image index: {error!r}", file=path) from error
        if not sound:
            raise DamagedFile("is no OCI image index", file=path)
        rest = {k: v for k, v in annotations.items() if k != HEAD}
        return cls(tuple(listed), annotations.get(HEAD), rest)

    def raw(self) -> bytes:
        """The bytes of index.json."""
        annotations = {**(self.annotations or {}), **({HEAD: self.head} if self.head else {})}
        document: dict[str, Any] = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(self.descriptors)}
        return dumped(document | ({"annotations": annotations} if annotations else {}))

    @property
    def names(self) -> dict[str, str]:
        """Every name and its manifest's digest, by name."""
        return dict(sorted((name, one["digest"]) for one in self.descriptors if (name := _name(one))))

    @property
    def digests(self) -> set[str]:
        """All manifests that are listed."""
        return {one["digest"] for one in self.descriptors}

    @property
    def unnamed(self) -> set[str]:
        """Manifests that are listed without any name."""
        return self.digests - set(self.names.values())

    def descriptor(self, digest: str) -> Mapping[str, Any]:
        """The descriptor of a listed manifest, without a name."""
        return next(_bare(one) for one in self.descriptors if one["digest"] == digest)

    def named(self, name: str, descriptor: Mapping[str, Any] | None) -> Index:
        """The index with `name` at the manifest of `descriptor`, or at none; what it left stays listed."""
        kept = list(self._without_name(name))
        if descriptor is not None:
            kept = [one for one in kept if one["digest"] != descriptor["digest"] or _name(one)]
            kept.append(_bare(descriptor) | {"annotations": {**(descriptor.get("annotations") or {}), REF: name}})
        return replace(self, descriptors=tuple(kept))

    def without(self, digests: Collection[str]) -> Index:
        """The index without these manifests where they have no name."""
        kept = (one for one in self.descriptors if _name(one) or one["digest"] not in digests)
        return replace(self, descriptors=tuple(kept))

    def _without_name(self, name: str) -> Iterator[Mapping[str, Any]]:
        left = [one["digest"] for one in self.descriptors if _name(one) != name]
        for one in self.descriptors:
            if _name(one) != name:
                yield one
            elif one["digest"] not in left:
                yield _bare(one)


def _name(descriptor: Mapping[str, Any]) -> str | None:
    found = (descriptor.get("annotations") or {}).get(REF)
    return found if isinstance(found, str) else None


def _bare(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    """A descriptor without its name."""
    rest = {k: v for k, v in (descriptor.get("annotations") or {}).items() if k != REF}
    bare = {k: v for k, v in descriptor.items() if k != "annotations"}
    return bare | ({"annotations": rest} if rest else {})
