"""Verifying a model: whose signature it is, what was signed, and that nothing else lies there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hub.errors import BadSignature
from hub.signing._envelope import IN_TOTO, Opened, read_bundle, verified
from hub.signing._files import Identity, Seal, check_names, digest_files, folders_of, listing
from hub.signing._keys import PublicKey
from hub.signing._locations import Place, files_read, find_signature
from hub.signing._own import own_signature
from hub.signing._statement import ALONE, GIT, Statement

_SHOWN = 3


class Trust(Protocol):
    """Whom to believe."""

    @property
    def keys(self) -> Sequence[PublicKey]:
        """The keys whose signatures count."""
        ...

    def allow(self, name: str, key: PublicKey) -> str | None:
        """The name of the signer; `BadSignature` when `key` may not sign what is called `name`."""
        ...

    def admit(self, statement: Statement, key: PublicKey) -> str | None:
        """As `allow`, for a model; `BadSignature` also when it is older than one that was accepted."""
        ...

    def accept(self, statement: Statement) -> None:
        """Remember a model that was verified in full."""
        ...


@dataclass(frozen=True)
class KeyTrust:
    """Trust in one key, or several, for every model."""

    key: PublicKey
    others: tuple[PublicKey, ...] = ()

    @property
    def keys(self) -> Sequence[PublicKey]:
        """Those keys."""
        return (self.key, *self.others)

    def allow(self, name: str, key: PublicKey) -> str | None:
        """Nothing is asked."""
        return None

    def admit(self, statement: Statement, key: PublicKey) -> str | None:
        """Nothing is asked."""
        return None

    def accept(self, statement: Statement) -> None:
        """Nothing is remembered."""


class Mismatch(BadSignature):
    """The files are not those that were signed; `problems` names each."""

    def __init__(self, problems: Sequence[str], file: Path) -> None:
        shown = ", ".join(problems[:_SHOWN]) + (f" and {len(problems) - _SHOWN} more" if problems[_SHOWN:] else "")
        super().__init__(f"not what was signed: {shown}", file=file)
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Verified:
    """A model that is what a trusted key signed. `seal` knows its files; `signer` is the policy's name for the key."""

    model: Path
    signature: Path
    statement: Statement
    key: PublicKey
    signer: str | None
    seal: Seal

    @property
    def nbytes(self) -> int:
        """Bytes of all signed files."""
        return sum(identity.size for identity in self.seal.files.values())


def verify_model(
    model: Path,
    trust: Trust,
    signature: Path | None = None,
    *,
    name: str | None = None,
    advance: Callable[[int], None] | None = None,
) -> Verified:
    """Verify the file, shards or folder at `model` against its signature; every byte is read.

    `name` is what the model must have been signed as. `BadSignature` (exit code 1) when it is unsigned, when no trusted
    key signed it, or when a file is changed, missing, added, linked, or read without being signed. A file without a
    signature beside it is verified by its own, where its format has such.
    """
    try:
        place = find_signature(model, signature)
    except BadSignature:
        if own_signature(model) is None:
            raise
        return _by_itself(model, trust, name, advance)
    opened, statement, signer = open_statement(place.signature, trust)
    if name is not None and statement.called != name:
        raise BadSignature(f"was signed as {statement.called!r}, not as {name!r}", file=model)
    seal = _compare(place, statement, advance)
    _check_reads(place, statement)
    seal.check()
    trust.accept(statement)
    return Verified(model, place.signature, statement, opened.key, signer, seal)


def _by_itself(model: Path, trust: Trust, name: str | None, advance: Callable[[int], None] | None) -> Verified:
    """A file verified by the signature in it. Its name is the one inside the file: a file may be called anything."""
    found = digest_files(model.parent, [model.name], advance)[model.name]
    seal = Seal({model: found.identity})
    own = own_signature(model)
    seal.check()  # what was digested is what was read
    if own is None:
        raise BadSignature("is not signed", file=model)
    statement = Statement(own.name or "", {ALONE: found.sha256})
    key = next((k for k in trust.keys if k.type == "ed25519" and k.verifies(own.signature, own.message)), None)
    if key is None:
        said = f"the signature in it is of none of the keys given; it says key {own.fingerprint[:16]}"
        raise BadSignature(said, file=model)
    if name is not None and statement.called != name:
        raise BadSignature(f"was signed as {statement.called!r}, not as {name!r}", file=model)
    signer = trust.admit(statement, key)
    trust.accept(statement)
    return Verified(model, model, statement, key, signer, seal)


def open_statement(signature: Path, trust: Trust) -> tuple[Opened, Statement, str | None]:
    """The statement in a signature file, signed by a key that `trust` admits for it; no model is looked at."""
    opened = verified(read_bundle(signature), trust.keys, IN_TOTO, file=signature)
    statement = Statement.parse(opened.payload, signature)
    return opened, statement, trust.admit(statement, opened.key)


def _compare(place: Place, statement: Statement, advance: Callable[[int], None] | None) -> Seal:
    """The seal of files that are exactly those of the statement; `Mismatch` names all others."""
    wanted = _wanted(place, statement)
    problems = []
    folders: dict[Path, Identity] = {}
    if place.whole:
        ignored = {*statement.ignored, *_own_name(place)}
        present = listing(place.root, ignored)
        folders = folders_of(place.root, present)
        check_names(present, place.root)
        problems += [f"{name} is not signed" for name in present if name not in wanted]
    else:
        ignored = set()
        present = [name for name in wanted if (place.root / name).exists() or (place.root / name).is_symlink()]
    problems += [f"{name} is missing" for name in wanted if name not in set(present)]
    found = digest_files(place.root, [name for name in present if name in wanted], advance)
    problems += [f"{name} is changed" for name, file in found.items() if file.sha256 != wanted[name]]
    if problems:
        raise Mismatch(problems, place.model)
    files = {place.root / name: file.identity for name, file in found.items()}
    return Seal(files, place.root if place.whole else None, frozenset(ignored), folders)


def _wanted(place: Place, statement: Statement) -> dict[str, str]:
    """The digests by name below the root; a model that is one file may have any name."""
    if [*statement.files] == [ALONE]:
        if place.whole:
            raise BadSignature("the signature is of a single file, not of a folder", file=place.model)
        return {place.model.name: statement.files[ALONE]}
    if not place.model.is_dir() and place.model.name not in statement.files:
        raise BadSignature(f"the signature is of {statement.called!r}, which has no such file", file=place.model)
    return dict(statement.files)


def _own_name(place: Place) -> list[str]:
    """The signature's name, where it lies inside the folder that is verified."""
    file, root = place.signature.absolute(), place.root.absolute()
    return [file.relative_to(root).as_posix()] if file.is_relative_to(root) else []


def _check_reads(place: Place, statement: Statement) -> None:
    """A plugin must not read what nobody signed: a file beside the one that is signed, or one the signer left out.

    What git keeps (.gitattributes) is passed on by readers and means nothing to a model.
    """
    if place.whole and set(statement.ignored) <= {*GIT, *_own_name(place)}:
        return
    signed = {place.root / name for name in _wanted(place, statement)}
    loose = sorted(files_read(place.model) - signed)
    for path in loose:
        if not place.whole or path.relative_to(place.root).parts[0] not in GIT:
            raise BadSignature("is read with the model, and nobody signed it", file=path, hint="sign the folder")
