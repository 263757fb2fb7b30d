"""Recording a conversion: what the source was before it began, and the signed statement when the target is in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import BadSignature, TargetExists, UsageError
from hub.pipeline import write_whole
from hub.signing._envelope import IN_TOTO, envelope, read_bundle
from hub.signing._keys import PrivateKey
from hub.signing._locations import find_signature, usual_signature
from hub.signing._sign import check_called, sign_model
from hub.signing._statement import Statement
from hub.signing.provenance._chain import check_link, step_of
from hub.signing.provenance._places import Files, files_of, lines_of, usual_provenance
from hub.signing.provenance._statement import Made, digest_of, inputs_of, statement

if TYPE_CHECKING:
    from hub.pipeline import Report, Request


@dataclass(frozen=True)
class _Recording:
    """A conversion that is to be signed: what the source is, the statements about it, and when it began.

    `name` is what the result is signed as; None when it is called what its file or folder is.
    """

    request: Request
    key: PrivateKey
    name: str | None
    source: Files
    inputs: Mapping[str, str]
    manifest: str
    lines: tuple[bytes, ...]
    started: datetime


_current: ContextVar[_Recording | None] = ContextVar("recording", default=None)


@contextmanager
def recorded(request: Request, key: PrivateKey, name: str | None = None) -> Iterator[None]:
    """A block in which the conversion `request` is recorded: afterwards provenance and signature lie at the target.

    `name` ("org/model") is what a policy judges; that of the file or folder when None. The source is read before it is
    converted; the statements that lie with it are carried on, when they are about these files. Raises `BadSignature`
    when they are about others, `TargetExists` when provenance or a signature of something else lies at the target,
    `UsageError` for a dry run and for a model that is no file.
    """
    check_called(name)
    if request.dry_run:
        raise UsageError("--sign-key has no effect with --dry-run: nothing is written")
    if not request.options.overwrite:
        for path in (usual_provenance(request.target), usual_signature(request.target)):
            if path.exists():
                raise TargetExists("exists already", file=path, hint="--force replaces it")
    if not isinstance(request.source, Path):
        raise UsageError("a model that lies in no file has no provenance")
    token = _current.set(_looked_at(request, request.source, key, name))
    try:
        yield
    finally:
        _current.reset(token)


def _looked_at(request: Request, path: Path, key: PrivateKey, name: str | None) -> _Recording:
    from hub.opening import loading
    from hub.signing.manifest import manifest, manifest_digest

    started = datetime.now(UTC)
    with loading(path, "sign"):
        lines, left_out = _known(path)
        source = files_of(path, left_out)
        if lines:
            _check_about(lines[-1], source, path)
        made = manifest(path, request.from_, budget=request.budget)
        source.seal.check()
    return _Recording(request, key, name, source, inputs_of(request), manifest_digest(made), lines, started)


def _check_about(line: bytes, source: Files, path: Path) -> None:
    try:
        check_link(step_of(read_bundle(line).payload), source.digests, whole=source.folder)
    except BadSignature as error:
        raise BadSignature(
            error.message, file=path, hint="remove what is not about it, or get the right files"
        ) from error


def _known(source: Path) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """The statements that lie with the source, oldest first, and the names that its signer left out.

    Its provenance where there is one; else its signature, which is where a chain begins.
    """
    provenance = usual_provenance(source)
    if provenance.is_file():
        return tuple(lines_of(provenance)), ()
    try:
        place = find_signature(source)
    except BadSignature:
        return (), ()
    bundle = read_bundle(place.signature)
    one_line = b"".join(place.signature.read_bytes().splitlines())
    return (one_line,), Statement.parse(bundle.payload, place.signature).ignored


def hub_after_write(report: Report, paths: Sequence[Path]) -> None:
    """Write the provenance of a conversion that is recorded, and sign the model with it."""
    recording = _current.get()
    if recording is None:
        return
    from hub.signing.manifest import manifest

    request, target = recording.request, paths[0]
    recording.source.seal.check()
    file = usual_provenance(target)
    if file.exists() and not request.options.overwrite:
        raise TargetExists("exists already", file=file, hint="--force replaces it")
    made = Made(
        recording.source.digests,
        files_of(target).digests,
        recording.inputs,
        recording.manifest,
        _newest(recording.lines),
        recording.name,
    )
    line = envelope(IN_TOTO, statement(made, request, report, recording.started), recording.key)
    write_whole(file, b"".join(old + b"\n" for old in recording.lines) + line)
    overwrite = request.options.overwrite
    signed = sign_model(
        target, recording.key, name=recording.name, overwrite=overwrite, describe=lambda: manifest(target)
    )
    said = f"signed with {signed.key.type} {signed.key.fingerprint}: {signed.signature.name}, from what: {file.name}"
    report.notes = [*report.notes, said]


def _newest(lines: Sequence[bytes]) -> str | None:
    return digest_of(read_bundle(lines[-1]).payload) if lines else None
