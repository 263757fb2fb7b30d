"""Making a version of a data set: every file digested, the manifest and its signature written, the old ones kept."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.errors import BadSignature, UsageError
from hub.pipeline import Progress, Silent, interrupted_once, write_whole
from hub.signing import (
    PrivateKey,
    PublicKey,
    Seal,
    Statement,
    check_names,
    digest_files,
    listing,
    read_bounded,
    read_bundle,
    sign_model,
    usual_signature,
)
from hub.signing.data import ENDING, NAME, Corpus, DataFile, Scope, ignored, read_corpus
from hub_data._diff import Difference, diff
from hub_data._history import old_manifest
from hub_data._rows import rows

_ALONE = "."  # how a statement names the only file of what is a file


@dataclass(frozen=True)
class Order:
    """What is to become a version: one folder, or files; `left_out` are names below the folder."""

    paths: Sequence[Path]
    name: str = "corpus"
    left_out: Sequence[str] = ()


@dataclass(frozen=True)
class Added:
    """The newest version: its manifest, its signature where there is one, and how it differs from the one before.

    `made` is False when nothing has changed, and the version is the one that was there.
    """

    manifest: Path
    corpus: Corpus
    made: bool
    signature: Path | None
    key: PublicKey | None
    difference: Difference | None


def add(order: Order, key: PrivateKey | None = None, progress: Progress | None = None) -> Added:
    """Make a version of the data set `order.name` of what lies there now; nothing is copied.

    With `key` it is signed. Data that is as the newest version says makes none. `BadSignature` when the newest
    version's signature is not of it, or would be followed by a version that nobody signs.
    """
    if not NAME.fullmatch(order.name):
        raise UsageError(f"--name {order.name!r}: letters, digits, dots, dashes and underscores make a name")
    root, scope = _root(order.paths)
    manifest = root / f"{order.name}{ENDING}"
    before = read_corpus(manifest) if manifest.exists() else None
    signed = _check_signed(manifest, before, key)
    corpus, seal = _looked_at(root, scope, order, manifest, before, progress or Silent())
    difference = None if before is None else diff(before, corpus)
    if before is not None and _same(before, corpus):
        if key is None or signed:
            return Added(manifest, before, False, usual_signature(manifest) if signed else None, None, None)
        corpus = before
    seal.check()
    with interrupted_once():
        _write(manifest, corpus, before, key)
    made = corpus is not before
    return Added(
        manifest, corpus, made, usual_signature(manifest) if key else None, key.public if key else None,
        difference if made else None,
    )  # fmt: skip


def _root(paths: Sequence[Path]) -> tuple[Path, Scope]:
    """The folder that names are relative to; UsageError for what is not one folder, or files alone."""
    for path in paths:
        if not path.exists():
            raise UsageError("no such file or folder", file=path)
    folders = [path for path in paths if path.is_dir()]
    if folders and len(paths) > 1:
        raise UsageError("one folder, or files, make a data set", file=folders[0], hint="name the folder above them")
    if folders:
        return folders[0], "folder"
    return Path(os.path.commonpath([path.absolute().parent for path in paths])), "files"


def _check_signed(manifest: Path, before: Corpus | None, key: PrivateKey | None) -> bool:
    """Whether the newest version is signed; a signature that is of something else is not built upon."""
    signature = usual_signature(manifest)
    if before is None or not signature.is_file():
        return False
    statement = Statement.parse(read_bundle(signature).payload, signature)
    if statement.files.get(_ALONE) != hashlib.sha256(read_bounded(manifest)).hexdigest():
        raise BadSignature("its signature is of another manifest: one of them was edited", file=manifest)
    if key is None:
        raise UsageError(f"version {before.version} is signed; --key signs the next one", file=manifest)
    return True


def _looked_at(
    root: Path, scope: Scope, order: Order, manifest: Path, before: Corpus | None, progress: Progress
) -> tuple[Corpus, Seal]:
    """The version that lies there, every file read, and the seal of its files."""
    if scope == "files" and order.left_out:
        raise UsageError("--ignore has no effect on files: those that are not named are no part of it")
    left_out = tuple(sorted(name.rstrip("/") for name in order.left_out))
    check_names(left_out, root)
    parent = None if before is None else hashlib.sha256(read_bounded(manifest)).hexdigest()
    version = 1 if before is None else before.version + 1
    empty = Corpus(order.name, version, parent, scope, left_out, ())
    for name in left_out:
        if not os.path.lexists(root / name):
            raise UsageError(f"--ignore {name} has no effect: there is no such file in {root}")
    names = listing(root, ignored(empty)) if scope == "folder" else _named(order.paths, root, order.name)
    if not names:
        raise UsageError("has no file", file=root)
    check_names(names, root)
    progress.start("digest", sum((root / name).stat().st_size for name in names))
    found = digest_files(root, names, progress.advance)
    seal = Seal({root / n: f.identity for n, f in found.items()})
    files = tuple(DataFile(n, f.identity.size, f.sha256, rows(root / n)) for n, f in found.items())
    return Corpus(order.name, version, parent, scope, left_out, files), seal


def _named(paths: Sequence[Path], root: Path, name: str) -> list[str]:
    names = sorted({path.absolute().relative_to(root).as_posix() for path in paths})
    own = f"{name}{ENDING}"
    if own in names:
        raise UsageError("the manifest is no part of the data", file=root / own)
    return names


def _same(a: Corpus, b: Corpus) -> bool:
    return (a.digest, a.scope, a.left_out) == (b.digest, b.scope, b.left_out)


def _write(manifest: Path, corpus: Corpus, before: Corpus | None, key: PrivateKey | None) -> None:
    """Write manifest and signature as one as far as a disk can: both are whole before either is in place."""
    signature = usual_signature(manifest)
    with tempfile.TemporaryDirectory(prefix=".hub-", suffix=".tmp", dir=manifest.parent) as stage:
        fresh = Path(stage) / manifest.name
        write_whole(fresh, corpus.payload())
        if key is not None:
            sign_model(fresh, key, name=corpus.name, sequence=corpus.version)
        if before is not None and before is not corpus:
            _keep(manifest, before)
        if key is not None:
            usual_signature(fresh).replace(signature)
        fresh.replace(manifest)


def _keep(manifest: Path, before: Corpus) -> None:
    """Put the version that is about to be replaced into the history, with its signature."""
    old = old_manifest(manifest, before, before.version)
    old.parent.mkdir(exist_ok=True)
    write_whole(old, read_bounded(manifest))
    if usual_signature(manifest).is_file():
        write_whole(usual_signature(old), read_bounded(usual_signature(manifest)))
