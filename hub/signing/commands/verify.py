"""`hub verify`: whether a model is what somebody trusted signed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub import cli as out
from hub.cli import Json, ModelPath
from hub.errors import BadSignature, UsageError

if TYPE_CHECKING:
    from hub.signing import Trust, Verified

_SHOWN = 20


def verify(
    model: ModelPath,
    key: Annotated[
        list[Path] | None, typer.Option("--key", metavar="PUB", help="A public key to believe (repeatable).")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="TOML", help="The trust.toml to follow; HUB_TRUST, or your own.")
    ] = None,
    sig: Annotated[
        Path | None, typer.Option("--sig", metavar="FILE", help="The signature, when it is not in its usual place.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="ORG/MODEL", help="What it must have been signed as.")] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="SIG", help="Another model's signature: are these the same weights?"),
    ] = None,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Walk the chain back to where the model began, and say each step.")
    ] = False,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="MANIFEST", help="With --provenance: data at hand; is it what is named?"),
    ] = None,
    allow_rollback: Annotated[
        bool, typer.Option("--allow-rollback", help="Accept a version older than one seen, from now on.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Verify a signature and every signed byte.

    Exit code 0 when it holds, 1 when it does not or there is none, 2 when that could not be found out.
    """
    from hub.signing.commands.asking import chosen_trust

    trust = chosen_trust(key or (), policy, allow_rollback=allow_rollback)
    rollback = {"--allow-rollback": allow_rollback or None}  # an older model is accepted when it is verified itself
    if provenance:
        _no_effect("--provenance", {"--sig": sig, "--name": name, "--against": against, **rollback})
        return _provenance(model, trust, data or (), as_json)
    if data:
        raise UsageError("--data has no effect without --provenance, which tells what data a model was made from")
    if against is not None:
        _no_effect("--against", {"--sig": sig, **rollback})
        return _against(model, against, trust, name, as_json)
    try:
        done = _verified(model, trust, sig, name)
    except BadSignature as error:
        if not as_json:
            raise
        print(f"hub: error: {error}", file=sys.stderr)
        out.emit("verify", _refused(model, error))
        return error.exit_code
    if as_json:
        out.emit("verify", _document(done))
    else:
        out.pairs(_lines(done))
    return 0


def _no_effect(given: str, flags: Mapping[str, object]) -> None:
    for flag, value in flags.items():
        if value is not None:
            raise UsageError(f"{flag} has no effect with {given}")


def _provenance(model: Path, trust: Trust, data: Sequence[Path], as_json: bool) -> int:
    from hub.signing.commands._provenance import provenance

    return provenance(model, trust, data, as_json)


def _verified(model: Path, trust: Trust, sig: Path | None, name: str | None) -> Verified:
    from hub.cli import progress_bar
    from hub.signing import verify_model

    with progress_bar() as progress:
        progress.start("verify", sum(p.stat().st_size for p in model.rglob("*") if p.is_file()))
        return verify_model(model, trust, sig, name=name, advance=progress.advance)


def _document(done: Verified) -> dict[str, Any]:
    return {
        "model": str(done.model),
        "verified": True,
        "signature": str(done.signature),
        "key": done.key.fingerprint,
        "type": done.key.type,
        "signer": done.signer,
        "name": done.statement.called,
        "sequence": done.statement.sequence,
        "files": len(done.statement.files),
        "bytes": done.nbytes,
        "ignored": list(done.statement.ignored),
        "problems": [],
    }


def _refused(model: Path, error: BadSignature) -> dict[str, Any]:
    from hub.signing import Mismatch

    problems = error.problems if isinstance(error, Mismatch) else (str(error),)
    unknown = ("signature", "key", "type", "signer", "name", "sequence")
    return {
        "model": str(model),
        "verified": False,
        **dict.fromkeys(unknown),
        "files": 0,
        "bytes": 0,
        "ignored": [],
        "problems": list(problems),
    }


def _lines(done: Verified) -> Iterator[tuple[str, object]]:
    from hub.inspection import counted

    told = _document(done)
    yield "Verified", f"{done.model}, {counted(told['files'], 'file')}, {told['bytes']:,} bytes"
    yield "Signature", told["signature"]
    yield "Signer", told["signer"]
    yield "Key", f"{told['type']} {told['key']}"
    yield "Name", told["name"]
    yield "Sequence", told["sequence"]
    left = [name for name in told["ignored"] if name != done.signature.name]
    yield "Not signed", ", ".join(left) or None


def _against(model: Path, signature: Path, trust: Trust, name: str | None, as_json: bool) -> int:
    """Compare `model` with the tensors that another model's signature names."""
    from hub.cli import progress_bar
    from hub.signing import open_statement
    from hub.signing.manifest import compare

    statement = open_statement(signature, trust)[1]
    if name is not None and statement.called != name:
        raise BadSignature(f"is of {statement.called!r}, not of {name!r}", file=signature)
    if statement.manifest is None:
        raise BadSignature("names files and no tensors; it says nothing about other formats", file=signature)
    with progress_bar() as progress:
        found = compare(statement.manifest, model, progress=progress)
    if as_json:
        out.emit("against", {**out.document(found), "signature": str(signature), "same": found.same})
    else:
        out.say(f"{model}: {found}")
        for departure in found.departures[:_SHOWN]:
            out.say(f"  {departure}")
        if found.departures[_SHOWN:]:
            out.say(f"  ... and {len(found.departures) - _SHOWN} more; --json lists all")
        out.pairs(("Note", remark) for remark in found.remarks)
    return int(not found.same)
