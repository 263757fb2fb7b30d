"""Signing a model: a statement about all its files, in an envelope beside or inside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.errors import HubError, TargetExists, UsageError
from hub.pipeline import write_whole
from hub.signing._envelope import IN_TOTO, envelope, read_bundle
from hub.signing._files import Seal, check_names, digest_files, listing
from hub.signing._keys import PrivateKey, PublicKey
from hub.signing._locations import INSIDE, files_read, usual_signature
from hub.signing._material import Material
from hub.signing._statement import ALONE, GIT, Statement

Describe = Callable[[], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed: by which key, into which file, and what the statement says."""

    signature: Path
    key: PublicKey
    statement: Statement
    nbytes: int


def sign_model(
    model: Path,
    key: PrivateKey,
    *,
    signature: Path | None = None,
    name: str | None = None,
    sequence: int | None = None,
    ignore: Sequence[str] = (),
    overwrite: bool = False,
    describe: Describe | None = None,
    data: Sequence[Material] = (),
    advance: Callable[[int], None] | None = None,
) -> Signed:
    """Sign the file, shards or folder at `model`; the signature goes to `signature` or its usual place.

    `name` ("org/model") and `sequence` are what a policy judges. `ignore` names files and folders of a folder that
    are left out, and are allowed to change. A file of the model is replaced by no signature, whatever `overwrite` says
    (`UsageError`). `describe` makes the manifest of the tensors; it is called while the files
    are known to be those that were read. `data` are the data sets that it was made from (`hub.signing.data.material`).
    `BadSignature` for links and names that are not signed, `TargetExists`.
    """
    if not model.exists():
        raise UsageError("no such file or folder", file=model)
    signature = signature or usual_signature(model)
    check_called(name)
    if sequence is not None and not 0 <= sequence < 2**53:
        raise UsageError(f"a sequence number lies between 0 and 2^53, not at {sequence}")
    root, names, ignored = _scope(model, signature, ignore)
    _check_place(signature, [root / name for name in names], overwrite)
    check_names(names, model)
    found = digest_files(root, names, advance)
    seal = Seal({root / n: f.identity for n, f in found.items()}, model if model.is_dir() else None, frozenset(ignored))
    manifest = describe() if describe else None
    seal.check()
    alone = not model.is_dir() and len(names) == 1
    statement = Statement(
        subject=model.absolute().name or "model",
        files={ALONE if alone else n: f.sha256 for n, f in found.items()},
        ignored=ignored,
        name=name,
        sequence=sequence,
        manifest=manifest,
        data=tuple(data),
    )
    write_whole(signature, envelope(IN_TOTO, statement.payload(), key))
    return Signed(signature, key.public, statement, sum(f.identity.size for f in found.values()))


def check_called(name: str | None) -> None:
    """`UsageError` for an empty name, which would be none."""
    if name is not None and not name.strip():
        raise UsageError("a name is not empty; without one the model is called what its file or folder is")


def _scope(model: Path, signature: Path, ignore: Sequence[str]) -> tuple[Path, list[str], tuple[str, ...]]:
    """The root, the names of the files to sign below it, and those that are left out."""
    if not model.is_dir():
        if ignore:
            raise UsageError("--ignore has no effect on a file: what is beside it is not signed")
        outside = [p for p in files_read(model) if p.parent != model.parent and model.parent not in p.parents]
        if outside:
            raise UsageError("is read with the model and lies outside its folder", file=outside[0])
        return model.parent, sorted(p.relative_to(model.parent).as_posix() for p in files_read(model)), ()
    wanted = [name.rstrip("/") for name in ignore]
    check_names(wanted, model)
    for name in wanted:
        if not os.path.lexists(model / name):
            raise UsageError(f"--ignore {name} has no effect: there is no such file in {model}")
    kept = [name for name in GIT if os.path.lexists(model / name)]
    inside = signature.absolute().parent.resolve() / signature.name
    below = inside.is_relative_to(model.resolve()) and _is_a_signature_s(inside)
    own = [inside.relative_to(model.resolve()).as_posix()] if below else []
    ignored = tuple(sorted({*wanted, *kept, *own}))
    names = listing(model, ignored)
    if not names:
        raise UsageError("has no file to sign", file=model)
    return model, names, ignored


def _is_a_signature_s(place: Path) -> bool:
    """True where a signature may go inside a folder: its usual place, a free one, one that a signature has."""
    if place.name == INSIDE or not os.path.lexists(place):
        return True
    try:
        return bool(read_bundle(place))
    except HubError:
        return False


def _check_place(signature: Path, files: Sequence[Path], overwrite: bool) -> None:
    if signature.exists() and any(path.exists() and signature.samefile(path) for path in files):
        raise UsageError("is a file of the model, which a signature does not replace", file=signature)
    if not overwrite and os.path.lexists(signature):
        raise TargetExists("exists already", file=signature, hint="--force replaces it")
