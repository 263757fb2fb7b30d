"""trust.toml: who may sign what, whether a signature is required, and which keys are revoked.

    require = true
    state = "sequences.json"

    [[signer]]
    name = "Example Lab"
    key = "keys/lab.pub"
    models = ["example-lab/*"]

    [[revoked]]
    fingerprint = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    reason = "laptop lost"

Paths are relative to the file. It is found by `--policy`, by HUB_TRUST, or as trust.toml in the user's configuration
folder; a trust.toml beside a model is the model's word about itself and is never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hub.errors import BadSignature, DamagedFile, UsageError
from hub.signing._json import read_bounded
from hub.signing._keys import PublicKey
from hub.signing._sequences import Sequences
from hub.signing._statement import Statement

_LARGEST = 1 << 20
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_KINDS = {str: "text", bool: "true or false", list: "a list"}


@dataclass(frozen=True)
class Signer:
    """Somebody who may sign the models whose names `models` match (`*`, `?`, `[...]`)."""

    name: str
    key: PublicKey
    models: tuple[str, ...]

    def may_sign(self, name: str) -> bool:
        """True when one of the patterns matches the whole of `name`, case and all."""
        return any(fnmatchcase(name, pattern) for pattern in self.models)


@dataclass(frozen=True)
class Policy:
    """A trust.toml. `revoked` has reasons by fingerprint. `allow_rollback` lets older models through, and remembers."""

    file: Path
    signers: tuple[Signer, ...]
    require: bool
    revoked: Mapping[str, str]
    sequences: Sequences
    allow_rollback: bool = False

    @property
    def keys(self) -> Sequence[PublicKey]:
        """The keys of all signers, each once; those that are revoked too, so that it can be said of a signature."""
        return tuple(dict.fromkeys(signer.key for signer in self.signers))

    def allow(self, name: str, key: PublicKey) -> str:
        """The signer's name; `BadSignature` when the key is revoked, or may not sign what is called `name`."""
        mine = [signer for signer in self.signers if signer.key == key]
        if key.fingerprint in self.revoked:
            reason = self.revoked[key.fingerprint]
            raise self._no(f"signed by {_named(mine)}, whose key is revoked" + (f": {reason}" if reason else ""))
        allowed = [signer for signer in mine if signer.may_sign(name)]
        if not allowed:
            patterns = ", ".join(pattern for signer in mine for pattern in signer.models)
            raise self._no(f"{_named(mine)} may not sign {name!r}, only {patterns or 'nothing'}")
        return allowed[0].name

    def admit(self, statement: Statement, key: PublicKey) -> str:
        """As `allow`, for a model; `BadSignature` also when it is older than one of that name that was verified."""
        signer = self.allow(statement.called, key)
        self._check_sequence(statement)
        return signer

    def _check_sequence(self, statement: Statement) -> None:
        highest = self.sequences.highest(statement.called)
        older = highest is not None and (statement.sequence is None or statement.sequence < highest)
        if older and not self.allow_rollback:
            has = "has no sequence number" if statement.sequence is None else f"has sequence {statement.sequence}"
            raise self._no(
                f"{statement.called!r} {has}, and {highest} was verified before",
                "hub verify --allow-rollback accepts it",
            )
        if self.allow_rollback and not older:
            raise UsageError(f"--allow-rollback has no effect: {statement.called!r} is not older than what was seen")

    def accept(self, statement: Statement) -> None:
        """Remember the sequence number of a model that was verified in full."""
        if statement.sequence is not None or self.allow_rollback:
            self.sequences.remember(statement.called, statement.sequence, lower=self.allow_rollback)

    def _no(self, message: str, hint: str | None = None) -> BadSignature:
        return BadSignature(message, file=self.file, hint=hint)


def _named(signers: Sequence[Signer]) -> str:
    return " or ".join(dict.fromkeys(signer.name for signer in signers)) or "nobody"


def load_policy(file: Path, *, allow_rollback: bool = False) -> Policy:
    """The policy in `file`; `DamagedFile` names what is wrong, a key it does not know included."""
    import tomllib

    try:
        document = tomllib.loads(read_bounded(file, _LARGEST).decode("utf-8"))
    except ValueError as error:
        raise DamagedFile(f"no TOML: {error}", file=file) from error
    return _Loader(file).policy(document, allow_rollback)


@dataclass(frozen=True)
class _Loader:
    file: Path

    def policy(self, document: dict[str, Any], allow_rollback: bool) -> Policy:
        self.known(document, {"require", "state", "signer", "revoked"}, "the policy")
        signers = tuple(self.signer(table) for table in self.tables(document, "signer"))
        state = self.get(document, "state", str, f"{self.file.stem}.state.json")
        return Policy(
            self.file,
            signers,
            self.get(document, "require", bool, False),
            dict(self.revoked(table) for table in self.tables(document, "revoked")),
            Sequences(self.file.parent / state),
            allow_rollback,
        )

    def signer(self, table: dict[str, Any]) -> Signer:
        self.known(table, {"name", "key", "models"}, "a signer")
        name = self.get(table, "name", str)
        models = self.get(table, "models", list)
        if not models or not all(isinstance(pattern, str) and pattern for pattern in models):
            raise self.bad(f"models of the signer {name!r} is no list of patterns such as ['org/*']")
        return Signer(name, PublicKey.load(self.file.parent / self.get(table, "key", str)), tuple(models))

    def revoked(self, table: dict[str, Any]) -> tuple[str, str]:
        self.known(table, {"fingerprint", "reason"}, "a revoked key")
        fingerprint = self.get(table, "fingerprint", str).lower()
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise self.bad(f"{fingerprint[:80]!r} is no fingerprint: 64 hex digits, as hub keygen prints them")
        return fingerprint, self.get(table, "reason", str, "")

    def tables(self, document: dict[str, Any], key: str) -> list[dict[str, Any]]:
        found = document.get(key, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            raise self.bad(f"{key} is a table; it is written [[{key}]]")
        return found

    def get(self, table: dict[str, Any], key: str, kind: type, default: Any = None) -> Any:
        value = table.get(key, default)
        if value is None:
            raise self.bad(f"{key!r} is missing")
        if not isinstance(value, kind):
            raise self.bad(f"{key!r} is not {_KINDS[kind]}")
        return value

    def known(self, table: dict[str, Any], keys: set[str], what: str) -> None:
        unknown = sorted(table.keys() - keys)
        if unknown:
            raise self.bad(f"{what} has an unknown key {unknown[0]!r}; known are {', '.join(sorted(keys))}")

    def bad(self, message: str) -> DamagedFile:
        return DamagedFile(message, file=self.file)
