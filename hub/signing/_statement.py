"""What is signed: the statement of OpenSSF Model Signing 1.0, an in-toto Statement v1 that names each file.

What the hub adds (the model's name, a sequence number, the digests of its tensors, the data it was made from) lies in
the annotations of the subject: the predicate's own schema is closed, an in-toto ResourceDescriptor may be annotated.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.errors import BadSignature, DamagedFile
from hub.signing._files import check_names
from hub.signing._json import parse
from hub.signing._material import Material

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
NAME, SEQUENCE, MANIFEST, DATA = "hub.name", "hub.sequence", "hub.manifest", "hub.data"

# How the reference tool names the only file of a model that is a file. The specification (6.1.2) says its base name;
# model-signing 1.1.1 writes and expects this, so this is written, and both are read.
ALONE = "."

# What the reference tool leaves out of every model, whatever the statement says.
GIT = (".git", ".gitattributes", ".github", ".gitignore")

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Statement:
    """What somebody signs about a model.

    `subject`: the base name of its path, for people. `files`: the SHA-256 of each by relative name, or of the one file
    under `ALONE`. `ignored`: names below the root that the signer leaves out. `name` and `sequence`: which model it
    is, and its place among the versions of that name. `manifest`: digests of its tensors (`hub.signing.manifest`).
    `data`: the data sets that it was made from, as its signer says (`hub.signing.data`).
    """

    subject: str
    files: Mapping[str, str]
    ignored: tuple[str, ...] = ()
    name: str | None = None
    sequence: int | None = None
    manifest: Mapping[str, Any] | None = None
    data: tuple[Material, ...] = ()

    @property
    def called(self) -> str:
        """The name that a policy judges: the one that was signed as such, else the subject's."""
        return self.name or self.subject

    def payload(self) -> bytes:
        """The statement as JSON."""
        data = [one.resource() for one in self.data] or None
        own = {NAME: self.name, SEQUENCE: self.sequence, MANIFEST: self.manifest, DATA: data}
        annotations = {key: value for key, value in own.items() if value is not None}
        resources = [{"name": n, "algorithm": "sha256", "digest": self.files[n]} for n in sorted(self.files)]
        subject = {"name": self.subject, "digest": {"sha256": _root(self.files[n] for n in sorted(self.files))}}
        serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
        return json.dumps(
            {
                "_type": STATEMENT,
                "subject": [{**subject, "annotations": annotations} if annotations else subject],
                "predicateType": PREDICATE,
                "predicate": {
                    "serialization": {**serialization, "ignore_paths": list(self.ignored)},
                    "resources": resources,
                },
            },
            ensure_ascii=False,
        ).encode()

    @classmethod
    def parse(cls, payload: bytes, file: Path | None = None) -> Statement:
        """The statement in a verified payload; `BadSignature` when it is none, or of a kind that is not known."""
        try:
            return _Reader(file).statement(parse(payload, file))
        except DamagedFile as error:
            raise BadSignature(f"what was signed is no statement: {error.message}", file=file) from error


def _root(digests: Any) -> str:
    """The digest over all digests, in their order (OpenSSF Model Signing 1.0, 6.5)."""
    return hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest()


@dataclass(frozen=True)
class _Reader:
    file: Path | None
    kinds: Mapping[type, str] = field(default_factory=lambda: {str: "text", dict: "an object", list: "a list"})

    def statement(self, document: Any) -> Statement:
        self.equal(document, "_type", STATEMENT)
        self.equal(document, "predicateType", PREDICATE)
        subjects = self.get(document, "subject", list)
        if len(subjects) != 1:
            raise self.bad(f"has {len(subjects)} subjects; one was expected")
        predicate = self.get(document, "predicate", dict)
        serialization = self.get(predicate, "serialization", dict)
        self.equal(serialization, "method", "files")
        self.equal(serialization, "hash_type", "sha256")
        files = self.files(self.get(predicate, "resources", list))
        if self.get(self.get(subjects[0], "digest", dict), "sha256", str) != _root(files.values()):
            raise self.bad("contradicts itself: the subject's digest is not that of the files it names")
        own = subjects[0].get("annotations", {})
        return Statement(
            self.get(subjects[0], "name", str),
            files,
            self.ignored(serialization),
            self.maybe(own, NAME, str),
            self.maybe(own, SEQUENCE, int),
            self.maybe(own, MANIFEST, dict),
            self.data(self.maybe(own, DATA, list) or []),
        )

    def data(self, resources: list[Any]) -> tuple[Material, ...]:
        try:
            return tuple(map(Material.parse, resources))
        except ValueError as error:
            raise self.bad(f"names data in another form: {error}") from error

    def files(self, resources: list[Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for resource in resources:
            self.equal(resource, "algorithm", "sha256")
            name, digest = self.get(resource, "name", str), self.get(resource, "digest", str)
            if not _SHA256.fullmatch(digest):
                raise self.bad(f"names {name[:100]!r} with a digest that is no SHA-256")
            if name in found:
                raise self.bad(f"names {name[:100]!r} twice")
            found[name] = digest
        if not found:
            raise self.bad("names no file")
        if [*found] != [ALONE]:
            check_names(found, self.file)
        return found

    def ignored(self, serialization: dict[str, Any]) -> tuple[str, ...]:
        """The reference tool writes names in any order, and those of folders without the `/` at the end."""
        paths = serialization.get("ignore_paths", [])
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise self.bad("has ignore_paths that are no list of names")
        names = tuple(dict.fromkeys(path for path in paths if path != ALONE))
        check_names(names, self.file)
        return names

    def equal(self, value: Any, key: str, wanted: str) -> None:
        found = self.get(value, key, str)
        if found != wanted:
            raise self.bad(f"has {key} {found[:100]!r}; only {wanted!r} is known")

    def get(self, value: Any, key: str, kind: type) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get(key), kind):
            raise self.bad(f"lacks {key!r}, or it is not {self.kinds[kind]}")
        return value[key]

    def maybe(self, own: Any, key: str, kind: type) -> Any:
        value = own.get(key) if isinstance(own, dict) else None
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise self.bad(f"has {key!r} of the wrong type")
        return value

    def bad(self, what: str) -> BadSignature:
        return BadSignature(f"the signed statement {what}", file=self.file)
