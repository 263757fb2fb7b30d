"""ModelPack manifests: one model's files as layers of an OCI image manifest.

Media types and annotations are those of the CNCF ModelPack specification, v1
(https://github.com/modelpack/model-spec/blob/main/docs/spec.md, annotations.md and config.md); the manifest itself and
its descriptors are OCI's (https://github.com/opencontainers/image-spec/blob/main/manifest.md).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from hub.errors import DamagedFile, UnsupportedFile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MODEL = "application/vnd.cncf.model.manifest.v1+json"
CONFIG = "application/vnd.cncf.model.config.v1+json"
WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
WEIGHT_CONFIG = "application/vnd.cncf.model.weight.config.v1.raw"
DOC = "application/vnd.cncf.model.doc.v1.raw"
CODE = "application/vnd.cncf.model.code.v1.raw"

PATH = "org.cncf.model.filepath"
METADATA = "org.cncf.model.file.metadata+json"
UNTESTED = "org.cncf.model.file.mediatype.untested"
TITLE = "org.opencontainers.image.title"

MOST = 4 << 20
"""Bytes of a manifest; registries take no larger ones."""
_MOST_LAYERS = 10_000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REGULAR = ord("0")  # the type flag of a regular file in tar, which ModelPack's file metadata borrows


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are known: their digest, size and media type. `path` is the file's name in the model, with `/`."""

    digest: str
    size: int
    media_type: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it is stored: its own digest and bytes, and what they say."""

    digest: str
    raw: bytes
    artifact_type: str | None
    config: Blob
    layers: tuple[Blob, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def descriptor(self) -> dict[str, Any]:
        """What index.json says of it."""
        told = {"mediaType": MANIFEST, "digest": self.digest, "size": len(self.raw)}
        return told | ({"artifactType": self.artifact_type} if self.artifact_type else {})

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Every blob that it names, once."""
        return tuple({blob.digest: blob for blob in (self.config, *self.layers)}.values())

    @property
    def nbytes(self) -> int:
        """Bytes of the model's files."""
        return sum(layer.size for layer in self.layers)

    @property
    def title(self) -> str:
        """What the model's folder is called."""
        title = self.annotations.get(TITLE, "")
        return title if is_safe(title) and "/" not in title else "model"

    def files(self) -> dict[str, Blob]:
        """Every file of the model by its path; `UnsupportedFile` where a path would lie outside, or twice."""
        found: dict[str, Blob] = {}
        taken: dict[str, str] = {}
        for layer in self.layers:
            if layer.path is None:
                continue
            folded = layer.path.casefold()
            if not is_safe(layer.path) or folded in taken:
                raise UnsupportedFile(f"names a file {layer.path!r} that cannot be laid down", file=self.digest)
            taken[folded] = layer.path
            found[layer.path] = layer
        folders = {str(parent).casefold() for path in found for parent in PurePosixPath(path).parents}
        if clash := folders & taken.keys():
            raise UnsupportedFile(f"names {clash.pop()!r} as a file and as a folder", file=self.digest)
        return found


def is_safe(path: str) -> bool:
    """True for the name of a file below a folder, in its shortest form."""
    pure = PurePosixPath(path)
    odd = not path or not path.isprintable() or set("\\:") & set(path) or len(path.encode()) > 4096
    return not odd and not pure.is_absolute() and ".." not in pure.parts and str(pure) == path != "."


def digest_of(data: bytes) -> str:
    """The digest of bytes as OCI writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def dumped(document: Mapping[str, Any]) -> bytes:
    """`document` as bytes that are the same for the same facts."""
    return json.dumps(document, indent=1, ensure_ascii=True).encode()


def built(config: Mapping[str, Any], layers: Sequence[Blob], title: str, untested: frozenset[str]) -> tuple[Any, bytes]:
    """The manifest of `layers`, and the bytes of the configuration that it names.

    `config` lacks "modelfs", which is made here. No time, owner or machine is in it: the same files make the same
    manifest. `untested` are the paths whose media type is a guess.
    """
    told = dumped({**config, "modelfs": {"type": "layers", "diffIds": [layer.digest for layer in layers]}})
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": MODEL,
        "config": {"mediaType": CONFIG, "digest": digest_of(told), "size": len(told)},
        "layers": [_layer(layer, layer.path in untested) for layer in layers],
        "annotations": {TITLE: title},
    }
    return parsed(dumped(document), title), told


def _layer(layer: Blob, untested: bool) -> dict[str, Any]:
    path = layer.path or ""
    metadata = {
        "name": PurePosixPath(path).name, "mode": 0o644, "uid": 0, "gid": 0, "size": layer.size,
        "mtime": "1970-01-01T00:00:00Z", "typeflag": _REGULAR,
    }  # fmt: skip
    annotations = {PATH: path, METADATA: json.dumps(metadata), UNTESTED: "true" if untested else "false", TITLE: path}
    return {
        "mediaType": layer.media_type, "digest": layer.digest, "size": layer.size, "annotations": annotations,
    }  # fmt: skip


def parsed(raw: bytes, where: str) -> Manifest:
    """The manifest in `raw`; `DamagedFile` for what is none, `UnsupportedFile` for other kinds, naming `where`."""
    if len(raw) > MOST:
        raise UnsupportedFile(f"a manifest of {len(raw):,} bytes, more than {MOST:,}", file=where)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"is no JSON: {error}", file=where) from error
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise DamagedFile("is no manifest of schemaVersion 2", file=where)
    kind = document.get("mediaType", MANIFEST)
    if kind != MANIFEST:
        raise UnsupportedFile(f"is of type {kind!r}; a model is {MANIFEST}", file=where)
    layers = document.get("layers")
    if not isinstance(layers, list) or len(layers) > _MOST_LAYERS:
        raise DamagedFile("has no list of layers", file=where)
    artifact = document.get("artifactType")
    return Manifest(
        digest_of(raw), raw, artifact if isinstance(artifact, str) else None, _blob(document.get("config"), where),
        tuple(_blob(layer, where) for layer in layers), _annotations(document),
    )  # fmt: skip


def _blob(told: Any, where: str) -> Blob:
    if not isinstance(told, dict):
        raise DamagedFile("has a descriptor that is no object", file=where)
    digest, size, kind = (told.get(key) for key in ("digest", "size", "mediaType"))
    if not isinstance(digest, str) or not isinstance(kind, str):
        raise DamagedFile("has a descriptor without digest or media type", file=where)
    if not _DIGEST.fullmatch(digest):
        raise UnsupportedFile(f"names the digest {digest[:80]!r}; sha256 is what is compared", file=where)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise DamagedFile(f"names a size of {size!r} for {digest}", file=where)
    annotations = _annotations(told)
    return Blob(digest, size, kind, annotations.get(PATH) or annotations.get(TITLE))


def _annotations(told: Mapping[str, Any]) -> dict[str, str]:
    found = told.get("annotations")
    return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}
