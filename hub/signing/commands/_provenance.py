"""`hub verify --provenance`: the chain of a model, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub import cli as out

if TYPE_CHECKING:
    from hub.signing import Trust
    from hub.signing.data import Held
    from hub.signing.provenance import Chain


_SHOWN = 20
_COLUMNS = ("name", "source_encoding", "target_encoding", "max_abs", "rmse", "cosine")


def provenance(model: Path, trust: Trust, data: Sequence[Path], as_json: bool) -> int:
    """Walk the chain of `model`, hold `data` against it, print each step and the verdict; the exit code."""
    from hub.signing.data import held
    from hub.signing.provenance import walk

    chain = walk(model, trust)
    named = [one for step in chain.steps for one in getattr(step, "data", ())]
    at_hand = [held(path, named) for path in data]
    if as_json:
        out.emit("provenance", _document(chain, at_hand))
    else:
        _print(chain, at_hand)
    return int(not chain.whole or not all(one.unchanged for one in at_hand))


def _document(chain: Chain, at_hand: Sequence[Held]) -> dict[str, Any]:
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
        "data": [
            {**out.document(one.material), "unchanged": one.unchanged, "problems": list(one.problems)}
            for one in at_hand
        ],
    }


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _print(chain: Chain, at_hand: Sequence[Held]) -> None:
    for number, (step, key) in enumerate(zip(chain.steps, chain.signers, strict=True), 1):
        out.say(f"{number}. {step}; signed with {key.type} {key.fingerprint[:16]}")
        changed = [*getattr(step, "report", {}).get("re_encoded", ())]
        rows = [[line.get(key) for key in _COLUMNS] for line in changed[:_SHOWN]]
        if rows:
            out.table(("  ", *_COLUMNS), [("  ", *map(_short, row)) for row in rows])
        if changed[_SHOWN:]:
            out.say(f"   ... and {len(changed) - _SHOWN} more; --json lists all")
    if chain.whole and not chain.begins_signed:
        out.say("Note: the chain begins at a model that nobody signed")
    for one in at_hand:
        out.say(f"Data: {one.material}: {'unchanged' if one.unchanged else 'CHANGED: ' + '; '.join(one.problems[:3])}")
    out.say(f"{chain.model}: every step holds, and these are its files" if chain.whole else f"BROKEN: {chain.problem}")
