"""Where the user's policy lies."""

from __future__ import annotations

import os
from pathlib import Path

from hub.errors import UsageError


def find_policy(file: Path | None = None) -> Path | None:
    """The policy's path: `file`, HUB_TRUST, or the user's own; None when there is none.

    `UsageError` when one is named that does not exist: a policy that is silently missing would trust everybody.
    """
    named = file or (Path(os.environ["HUB_TRUST"]) if os.environ.get("HUB_TRUST") else None)
    if named is not None:
        if not named.is_file():
            origin = "no such policy" if file else "no such policy, which HUB_TRUST names"
            raise UsageError(origin, file=named)
        return named
    usual = usual_policy()
    return usual if usual.is_file() else None


def usual_policy() -> Path:
    """trust.toml in the user's configuration folder, wherever the platform has it."""
    from typer import get_app_dir

    return Path(get_app_dir("hub")) / "trust.toml"
