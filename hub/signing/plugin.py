"""Where signing hangs in the hub: models are verified before they are converted or run, results are signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import BadSignature
from hub.hookspecs import hookimpl
from hub.signing import find_policy, find_signature, load_policy, verify_model
from hub.signing.provenance import hub_after_write

if TYPE_CHECKING:
    from hub.interface import Seal, Use

__all__ = ["hub_after_write", "hub_before_load"]

# Looking at a model harms nobody, and must not take as long as reading it whole.
_HELD: frozenset[str] = frozenset({"convert", "run"})


@hookimpl
def hub_before_load(path: Path, use: Use) -> Seal | None:
    """Hold a model to the user's trust.toml before it is converted or run; without one, nothing is asked.

    An unsigned model passes unless the policy says `require = true`; a signature that is there must hold.
    """
    file = find_policy() if use in _HELD else None
    if file is None:
        return None
    policy = load_policy(file)
    try:
        find_signature(path)
    except BadSignature as error:
        if policy.require:
            error.hint = f"{file} requires a signature"
            raise
        return None
    return verify_model(path, policy).seal
