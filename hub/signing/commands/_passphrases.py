"""Where the passphrase of a signing key comes from: a file, the environment, or the person at the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from hub.errors import HubError, UsageError
from hub.signing import Passphrase
from hub.signing.commands._arguments import read_passphrase

VARIABLE = "HUB_KEY_PASSPHRASE"


def known_passphrase(file: Path | None) -> Passphrase | None:
    """How to get the passphrase of a key that may have one; None when nobody could be asked."""
    if file is not None:
        return lambda: read_passphrase(file)
    if os.environ.get(VARIABLE):
        return lambda: os.environ[VARIABLE].encode()
    if sys.stdin.isatty():
        return lambda: _ask("Passphrase of the key")
    return None


def new_passphrase(file: Path | None, *, ask: bool) -> bytes | None:
    """The passphrase for a new key; None when it shall have none."""
    if file is not None and ask:
        raise UsageError("--passphrase asks, --passphrase-file does not: give one of them")
    if file is not None:
        return read_passphrase(file)
    if not ask:
        return os.environ.get(VARIABLE, "").encode() or None
    if not sys.stdin.isatty():
        raise HubError("there is no terminal to ask for a passphrase", hint=f"--passphrase-file, or {VARIABLE}")
    secret = _ask("Passphrase for the new key", again=True)
    if not secret:
        raise UsageError("the passphrase is empty")
    return secret


def _ask(prompt: str, *, again: bool = False) -> bytes:
    text: str = typer.prompt(
        prompt, hide_input=True, confirmation_prompt=again, err=True, default="" if again else None
    )
    return text.encode()
