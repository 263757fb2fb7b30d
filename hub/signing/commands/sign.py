"""`hub sign`: a signature over every file of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub import cli as out
from hub.cli import Json
from hub.errors import UsageError
from hub.signing.commands._arguments import Force, PassphraseFile

if TYPE_CHECKING:
    from hub.pipeline import Progress
    from hub.signing import Material, Signed


def sign(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model file, or a folder; signed first, named later.")
    ],
    key: Annotated[Path, typer.Option("--key", metavar="KEY", help="The private key (hub keygen).")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="SIG", help="The signature; MODEL.sig, or model.sig in a folder."),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="ORG/MODEL", help="What a policy knows the model as.")] = None,
    sequence: Annotated[
        int | None, typer.Option(min=0, help="Number of this version: a policy refuses lower ones later.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Leave out a file or folder of the folder (repeatable).")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="MANIFEST", help="The data that it was made from (hub data add; repeatable)."),
    ] = None,
    values: Annotated[bool, typer.Option("--values", help="Add digests of what quantized tensors mean.")] = False,
    passphrase_file: PassphraseFile = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Sign a model.

    A file, a split model or a folder: every file is named with its digest, in an OpenSSF Model Signing bundle.
    """
    from hub.cli import progress_bar
    from hub.opening import loading
    from hub.signing import PrivateKey, sign_model
    from hub.signing.commands._passphrases import known_passphrase

    _check_apart(key, model)
    private = PrivateKey.load(key, known_passphrase(passphrase_file))
    materials = _materials(data or ())
    with loading(model, "sign"), progress_bar() as progress:
        progress.start("digest", _size(model))
        done = sign_model(
            model,
            private,
            signature=output,
            name=name,
            sequence=sequence,
            ignore=ignore or (),
            overwrite=force,
            data=materials,
            describe=lambda: _manifest(model, values, progress),
            advance=progress.advance,
        )
    if as_json:
        out.emit("sign", _document(model, done))
    else:
        _print(model, done)


def _materials(data: Sequence[Path]) -> list[Material]:
    """The data sets whose manifests were given; each must be what it says now."""
    from hub.errors import NotVerified
    from hub.signing.data import material, problems, read_corpus, usual_corpus

    found = []
    for file in map(usual_corpus, data):
        wrong, seal = problems(read_corpus(file), file.parent)
        if wrong:
            raise NotVerified(f"its files are others: {wrong[0]}", file=file, hint="hub data add makes a new version")
        found.append(material(file))
        seal.check()
    return found


def _check_apart(key: Path, model: Path) -> None:
    """`UsageError` for a private key that would go wherever the model goes, and be listed as a part of it."""
    if key.resolve().is_relative_to(model.resolve()) and model.is_dir():
        raise UsageError("the private key lies in the folder that is signed", file=key, hint="move it elsewhere")


def _size(model: Path) -> int:
    return sum(p.stat().st_size for p in (model.rglob("*") if model.is_dir() else [model]) if p.is_file())


def _manifest(model: Path, values: bool, progress: Progress) -> dict[str, Any] | None:
    """The manifest of the tensors; None for what no plugin reads, which can be signed all the same."""
    from hub.errors import NoPlugin, UnsupportedFile
    from hub.signing.manifest import manifest

    try:
        return manifest(model, values=values, progress=progress)
    except (NoPlugin, UnsupportedFile) as error:
        if values:
            raise UsageError(f"--values has no effect: {error}") from error
        return None


def _document(model: Path, done: Signed) -> dict[str, Any]:
    from hub.signing import OMS_TYPES

    return {
        "model": str(model),
        "signature": str(done.signature),
        "key": done.key.fingerprint,
        "type": done.key.type,
        "oms": done.key.type in OMS_TYPES,
        "name": done.statement.name,
        "sequence": done.statement.sequence,
        "files": len(done.statement.files),
        "bytes": done.nbytes,
        "ignored": list(done.statement.ignored),
        "data": [out.document(one) for one in done.statement.data],
        "tensors": len(done.statement.manifest["tensors"]) if done.statement.manifest else 0,
    }


def _print(model: Path, done: Signed) -> None:
    from hub.inspection import counted

    told = _document(model, done)
    size = f"{counted(told['files'], 'file')}, {told['bytes']:,} bytes, {counted(told['tensors'], 'tensor')}"
    left = [name for name in told["ignored"] if name != done.signature.name]
    out.pairs(
        [
            ("Signed", f"{model}, {size}"),
            ("Signature", done.signature),
            ("Key", f"{told['type']} {told['key']}"),
            ("Name", told["name"]),
            ("Sequence", told["sequence"]),
            *(("Made from", one) for one in done.statement.data),
            ("Left out", ", ".join(left) or None),
            ("Note", None if told["tensors"] else "no plugin reads it: its files are signed, and no tensor by name"),
            (
                "Note",
                None
                if told["oms"]
                else f"{told['type']} is outside the key types of OpenSSF Model Signing 1.0; other tools may refuse it",
            ),
        ]
    )
