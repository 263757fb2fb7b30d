"""What commands ask of the user before they sign or verify; the commands of other packages too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hub.errors import UsageError
from hub.signing import KeyTrust, PublicKey, Trust, find_policy, load_policy
from hub.signing.commands._passphrases import known_passphrase, new_passphrase

__all__ = ["chosen_trust", "known_passphrase", "new_passphrase"]


def chosen_trust(keys: Sequence[Path], policy: Path | None, *, allow_rollback: bool = False) -> Trust:
    """Whom the flags --key and --policy say to believe, else the user's own policy; `UsageError` when nobody."""
    if keys and policy is not None:
        raise UsageError("--key and --policy both say whom to believe: give one of them")
    if keys:
        if allow_rollback:
            raise UsageError("--allow-rollback has no effect with --key: only a policy remembers versions")
        first, *others = map(PublicKey.load, keys)
        return KeyTrust(first, tuple(others))
    found = find_policy(policy)
    if found is None:
        raise UsageError("--key or --policy says whom to believe", hint="a signature alone proves nothing")
    return load_policy(found, allow_rollback=allow_rollback)
