"""What runs that were killed left beside a target."""

from __future__ import annotations

import time
from pathlib import Path

from hub.pipeline._journal import resumable
from hub.pipeline._locks import abandoned
from hub.pipeline._sink import STAGE

_YOUNG = 60.0  # seconds in which a folder may belong to a run that has not locked it yet


def leftovers(target: Path) -> list[str]:
    """One line for each folder that no living process works in, with the command that goes on from it or removes it."""
    folder = target.absolute().parent
    old = time.time() - _YOUNG
    stages = [p for p in folder.glob("*".join(STAGE)) if p.is_dir() and p.stat().st_mtime < old and abandoned(p)]
    lines = [f"a conversion that was killed left {p}: rm -r '{p}' removes it" for p in sorted(stages)]
    kept = resumable(target)
    if kept.is_dir() and abandoned(kept):
        lines.append(f"a conversion broke off in {kept}: --resume goes on from it, rm -r '{kept}' removes it")
    return lines
