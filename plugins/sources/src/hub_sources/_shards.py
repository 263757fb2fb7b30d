"""The names of the parts of a split model: NAME-00001-of-00003.gguf."""

from __future__ import annotations

import re

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.[^.]+)")
_MOST = 10_000


def whole(name: str) -> str:
    """The name of the model that `name` is a part of: without the numbers; `name` itself when it is no part."""
    found = _SHARD.fullmatch(name)
    return f"{found['stem']}{found['suffix']}" if found else name


def shards(name: str) -> list[str]:
    """The names of all parts of the model that `name` is a part of, in order; none when it is no part."""
    found = _SHARD.fullmatch(name)
    if found is None or not 0 < int(found["count"]) <= _MOST:
        return []
    return [f"{found['stem']}-{n:05}-of-{found['count']}{found['suffix']}" for n in range(1, int(found["count"]) + 1)]
