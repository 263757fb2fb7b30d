"""The versions of a data set: the newest beside the data, those before it in NAME.history, each named by the next."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hub.errors import HubError, UsageError
from hub.signing import read_bounded
from hub.signing.data import HISTORY, Corpus, read_corpus, usual_corpus


def old_manifest(manifest: Path, corpus: Corpus, version: int) -> Path:
    """Where `version` lies, or would: in the history of the data set whose newest is `corpus` at `manifest`."""
    return manifest.with_name(f"{corpus.name}{HISTORY}") / f"{version}.json"


def version_of(text: str, of: Path) -> tuple[Path, Corpus]:
    """The manifest that `text` means: a version's number of the data set at `of`, or a path.

    `UsageError` when there is no such version.
    """
    if not text.isdecimal():
        file = usual_corpus(Path(text))
        return file, read_corpus(file)
    newest = usual_corpus(of)
    corpus = read_corpus(newest)
    if int(text) == corpus.version:
        return newest, corpus
    file = old_manifest(newest, corpus, int(text))
    if not file.is_file():
        raise UsageError(f"has no version {text}; the newest is {corpus.version}", file=newest)
    return file, read_corpus(file)


def broken(manifest: Path, corpus: Corpus) -> list[str]:
    """Where the versions before `corpus` do not follow from each other, back to the first."""
    parent, version = corpus.parent, corpus.version
    while parent is not None:
        version -= 1
        file = old_manifest(manifest, corpus, version)
        where = f"{file.parent.name}/{file.name}"
        if not file.is_file():
            return [f"{where} is missing: the versions before {version + 1} cannot be followed"]
        try:
            data, before = read_bounded(file), read_corpus(file)
        except HubError as error:
            return [f"{where}: {error.message}"]
        if hashlib.sha256(data).hexdigest() != parent or (before.name, before.version) != (corpus.name, version):
            return [f"{where} is not the version that {version + 1} was made from"]
        parent = before.parent
    return []
