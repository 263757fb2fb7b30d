"""`hub verify --provenance`: the chain of a model, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub import cli as out

if TYPE_CHECKING:
    from hub.signing import PublicKey
    from hub.signing.provenance import Chain


def provenance(model: Path, keys: Sequence[PublicKey], as_json: bool) -> int:
    """Walk the chain of `model`, print each step and the verdict; the exit code."""
    from hub.signing.provenance import walk

    chain = walk(model, keys)
    if as_json:
        out.emit("provenance", _document(chain))
    else:
        _print(chain)
    return int(not chain.whole)


def _document(chain: Chain) -> dict[str, Any]:
    steps = [
        {"kind": type(step).__name__.lower(), **out.document(step), "key": key.fingerprint, "type": key.type}
        for step, key in zip(chain.steps, chain.signers, strict=True)
    ]
    return {
        "model": str(chain.model),
        "provenance": str(chain.provenance),
        "whole": chain.whole,
        "begins_signed": chain.begins_signed,
        "problem": chain.problem,
        "steps": steps,
    }


def _print(chain: Chain) -> None:
    for number, (step, key) in enumerate(zip(chain.steps, chain.signers, strict=True), 1):
        out.say(f"{number}. {step}; signed with {key.type} {key.fingerprint[:16]}")
        for line in getattr(step, "report", {}).get("re_encoded", ()):
            change = f"{line['source_encoding']} -> {line['target_encoding']}"
            out.say(f"   {line['name']}: {change}, max_abs {line['max_abs']}, rmse {line['rmse']}")
    if chain.whole and not chain.begins_signed:
        out.say("Note: the chain begins at a model that nobody signed")
    out.say(f"{chain.model}: every step holds, and these are its files" if chain.whole else f"BROKEN: {chain.problem}")
