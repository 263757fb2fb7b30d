"""What the files of a folder cannot hold of a tokenizer, as JSON values, and its way back."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from hub.errors import DamagedFile
from hub.ir import Tokenizer
from hub_safetensors.tokenizer._read import read_files

# More tokens or merges than any tokenizer has.
LONGEST = 1 << 24
SEQUENCES = ("tokens", "scores", "types", "merges")


def lost_in_files(tokenizer: Tokenizer, files: Mapping[str, bytes], config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `tokenizer` that reading `files` back would not restore; empty when everything comes back.

    Of long lists only the entries that differ are kept.
    """
    again = read_files(files, config)
    found: dict[str, Any] = {}
    for name in (field.name for field in fields(Tokenizer)):
        mine, theirs = getattr(tokenizer, name), getattr(again, name, None)
        if name in SEQUENCES:
            mine, theirs = _listed(mine), _listed(theirs)
        if mine != theirs:
            found[name] = _kept(name, mine, theirs)
    return found


def restore(tokenizer: Tokenizer | None, leftovers: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that `lost_in_files` was asked about, from what reading the files gave and what it kept.

    Raises `DamagedFile` for leftovers of another shape.
    """
    names = {field.name for field in fields(Tokenizer)}
    try:
        changed = {k: _given_back(k, v, getattr(tokenizer, k, None)) for k, v in leftovers.items() if k in names}
        return replace(tokenizer, **changed) if tokenizer else Tokenizer(**changed)
    except (AttributeError, TypeError, ValueError, KeyError, IndexError) as e:
        raise DamagedFile(f"what was kept of the tokenizer cannot be put back: {e}") from None


def _listed(values: Sequence[Any] | None) -> list[Any] | None:
    return None if values is None else list(values)


def _kept(name: str, mine: Any, theirs: Any) -> Any:
    if mine is None:
        return None
    if name == "charsmap":
        return b64encode(mine).decode()
    if name not in SEQUENCES:
        return dict(mine) if isinstance(mine, Mapping) else mine
    if theirs is not None and len(mine) == len(theirs):
        return {"at": {str(i): a for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b}}
    return _around_the_most_common(mine)


def _around_the_most_common(values: list[Any]) -> Any:
    if not values:
        return values
    value, count = Counter(values).most_common(1)[0]
    if 2 * count < len(values):
        return values
    return {"all": value, "length": len(values), "at": {str(i): v for i, v in enumerate(values) if v != value}}


def _given_back(name: str, kept: Any, theirs: Any) -> Any:
    if kept is None:
        return None
    if name == "charsmap":
        return b64decode(kept)
    if name not in SEQUENCES or isinstance(kept, list):
        return kept
    values = [kept["all"]] * _length(kept["length"]) if "all" in kept else list(theirs)
    for i, value in kept["at"].items():
        values[int(i)] = value
    return values


def _length(n: Any) -> int:
    if type(n) is not int or not 0 <= n <= LONGEST:
        raise ValueError(f"a list cannot have {n!r} entries")
    return n
