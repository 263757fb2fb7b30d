"""Where signing hangs in the hub: a model is verified before it is converted or run, and signed when it was made.

Every command loads this module, so it imports nothing before there is something to do.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import BadSignature
from hub.hookspecs import hookimpl

if TYPE_CHECKING:
    from hub.interface import Seal, Use
    from hub.pipeline import Report

# Looking at a model harms nobody, and must not take as long as reading it whole.
_HELD: frozenset[str] = frozenset({"convert", "run"})


@hookimpl
def hub_before_load(path: Path, use: Use) -> Seal | None:
    """Hold a model to the user's trust.toml before it is converted or run; without one, nothing is asked.

    An unsigned model passes unless the policy says `require = true`; a signature that is there must hold.
    """
    if use not in _HELD:
        return None
    from hub.signing import find_policy

    file = find_policy()
    return None if file is None else _verified(path, file)


def _verified(path: Path, file: Path) -> Seal | None:
    from hub.signing import find_signature, load_policy, verify_model

    policy = load_policy(file)
    try:
        find_signature(path)
    except BadSignature as error:
        if policy.require:
            error.hint = f"{file} requires a signature"
            raise
        return None
    return verify_model(path, policy).seal


@hookimpl
def hub_after_write(report: Report, paths: Sequence[Path]) -> None:
    """Write and sign the provenance of a conversion that is recorded (`hub.signing.provenance.recorded`)."""
    provenance = sys.modules.get("hub.signing.provenance")  # who records has imported it
    if provenance is not None:
        provenance.hub_after_write(report, paths)
