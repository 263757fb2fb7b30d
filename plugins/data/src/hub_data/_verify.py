"""Whether data is what somebody trusted signed: the manifest, every file that it names, and the versions before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub.errors import BadSignature, HubError
from hub.pipeline import Progress, Silent
from hub.signing import Trust, verify_model
from hub.signing.data import ENDING, Corpus, problems, read_corpus, usual_corpus
from hub_data._history import broken


@dataclass(frozen=True, slots=True)
class Checked:
    """A data set that was verified, or why it is not what was signed; `signer` is the policy's name for the key.

    `corpus` is None when its manifest cannot be read; `key` when nobody was asked for a signature, or none holds.
    """

    manifest: Path
    corpus: Corpus | None
    problems: tuple[str, ...]
    key: str | None = None
    signer: str | None = None


def verify(path: Path, trust: Trust | None, progress: Progress | None = None) -> Checked:
    """Verify the data set whose manifest is `path`, or lies alone in the folder `path`; every byte is read.

    Without `trust` only the digests are compared: whoever changed the data could have changed the manifest as well.
    """
    manifest, progress = usual_corpus(path), progress or Silent()
    key = signer = None
    found: list[str] = []
    if trust is not None:
        try:
            verified = verify_model(manifest, trust)
            key, signer = verified.key.fingerprint, verified.signer
        except BadSignature as error:
            found.append(f"{manifest.name}: {error.message}")
    try:
        corpus = read_corpus(manifest)
    except HubError as error:
        return Checked(manifest, None, (*found, f"{manifest.name}: {error.message}"), key, signer)
    if manifest.name != f"{corpus.name}{ENDING}":
        found.append(f"{manifest.name}: is the manifest of {corpus.name!r}")
    progress.start("verify", sum(file.bytes for file in corpus.files))
    try:
        wrong, seal = problems(corpus, manifest.parent, progress.advance)
        seal.check()
    except BadSignature as error:
        wrong = [str(error)]
    return Checked(manifest, corpus, (*found, *wrong, *broken(manifest, corpus)), key, signer)
