"""The manifest of a version of a data set (hub/schemas/corpus.json): every file with its digest, and the parent."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from hub.errors import BadSignature, DamagedFile
from hub.signing._files import check_names
from hub.signing._json import parse, read_bounded
from hub.signing._material import Material, is_count, is_sha256

SCHEMA = "hub.corpus/1"
ENDING = ".manifest.json"
NAME = re.compile(r"\w[\w.-]{0,99}")
Scope: TypeAlias = Literal["folder", "files"]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a data set; `rows` are records of a table or of JSON lines, None where a file has none."""

    name: str
    bytes: int
    sha256: str
    rows: int | None = None


@dataclass(frozen=True)
class Corpus:
    """One version of a data set. `parent` is the sha256 of the manifest before it, None for the first.

    `scope` "folder" says that nothing but these files lies there, those `left_out` aside; "files" says nothing of
    others.
    """

    name: str
    version: int
    parent: str | None
    scope: Scope
    left_out: tuple[str, ...]
    files: tuple[DataFile, ...]

    @property
    def digest(self) -> str:
        """One sha256 for the content: of the names and digests of all files, whatever version they are."""
        lines = "".join(f"{file.sha256}  {file.name}\n" for file in sorted(self.files, key=lambda f: f.name))
        return hashlib.sha256(lines.encode()).hexdigest()

    def by_name(self) -> dict[str, DataFile]:
        """The files by name."""
        return {file.name: file for file in self.files}

    def payload(self) -> bytes:
        """The manifest as JSON, the same bytes for the same version."""
        files = [
            {k: v for k in ("name", "bytes", "sha256", "rows") if (v := getattr(file, k)) is not None}
            for file in sorted(self.files, key=lambda f: f.name)
        ]
        document = {
            "schema": SCHEMA, "name": self.name, "version": self.version, "parent": self.parent, "digest": self.digest,
            "scope": self.scope, "left_out": list(self.left_out), "files": files,
        }  # fmt: skip
        return json.dumps(document, ensure_ascii=True, indent=1).encode() + b"\n"


def material(file: Path) -> Material:
    """The version whose manifest is `file`, as a signature would name it."""
    data = read_bounded(file)
    corpus = _parsed(data, file)
    return Material(corpus.name, corpus.version, hashlib.sha256(data).hexdigest(), corpus.digest)


def read_corpus(file: Path) -> Corpus:
    """The manifest in `file`; `DamagedFile` when it is none, or contradicts itself."""
    return _parsed(read_bounded(file), file)


def _parsed(data: bytes, file: Path) -> Corpus:
    document = parse(data, file)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DamagedFile(f"is no manifest of a data set ({SCHEMA})", file=file, hint="hub data add writes one")
    try:
        corpus = _corpus(document)
        check_names([entry.name for entry in corpus.files], file)
        check_names(corpus.left_out, file)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"the manifest lacks a part, or has it in another form: {error}", file=file) from error
    except BadSignature as error:
        raise DamagedFile(f"the manifest is damaged: {error.message}", file=file) from error
    if document.get("digest") != corpus.digest:
        raise DamagedFile("the manifest contradicts itself: its digest is not that of the files it names", file=file)
    return corpus


def _corpus(document: Mapping[str, Any]) -> Corpus:
    name, version, parent, scope = (document[k] for k in ("name", "version", "parent", "scope"))
    left_out = tuple(document["left_out"])
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"name {str(name)[:100]!r}")
    if not is_count(version) or version < 1 or (version == 1) != (parent is None):
        raise ValueError(f"version {str(version)[:100]} with parent {str(parent)[:100]}")
    if parent is not None and not is_sha256(parent):
        raise ValueError("parent is no SHA-256")
    if scope not in ("folder", "files") or not all(isinstance(one, str) for one in left_out):
        raise ValueError("scope or left_out")
    return Corpus(name, version, parent, scope, left_out, _files(document["files"]))


def _files(entries: Sequence[Any]) -> tuple[DataFile, ...]:
    if not entries:
        raise ValueError("it names no file")
    return tuple(map(_file, entries))


def _file(entry: Mapping[str, Any]) -> DataFile:
    file = DataFile(entry["name"], entry["bytes"], entry["sha256"], entry.get("rows"))
    sound = isinstance(file.name, str) and is_count(file.bytes) and is_sha256(file.sha256)
    if not sound or not (file.rows is None or is_count(file.rows)):
        raise ValueError(f"the entry of {str(file.name)[:100]!r}")
    return file
