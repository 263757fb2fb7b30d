"""Further processes of the program that runs: modules of it, started as `python -m` does."""

from __future__ import annotations

import sys

_start = [sys.executable]


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs the module `name` in another process, with what this one can import."""
    return [*_start, "-m", name, *arguments]


def start_with(*command: str) -> None:
    """Say what stands in the place of Python in such commands: a bundle starts its own processes."""
    _start[:] = command
