"""JSON that has one meaning: bounded in size, no key twice, no numbers that JSON does not have."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile, HubError

# A bundle names each file, and each tensor, with about 300 bytes: room for 150,000 of them.
LARGEST = 64 * 1024 * 1024

# Members and items in that: 600,000 files have 2.4 million. An empty object takes 3 bytes here and 64 when it is read.
MOST_PARTS = 4_000_000


def read_bounded(file: Path, largest: int = LARGEST) -> bytes:
    """The bytes of a regular file of at most `largest` bytes; a larger one is refused before it is read."""
    try:
        fd = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(fd, "rb") as source:
            status = os.fstat(source.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise HubError("not a regular file", file=file)
            if status.st_size > largest:
                raise DamagedFile(f"has {status.st_size:,} bytes; at most {largest:,} are read", file=file)
            data = source.read(largest + 1)
    except OSError as error:
        raise HubError(f"cannot be read: {error.strerror}", file=file) from error
    if len(data) > largest:
        raise DamagedFile(f"has more than {largest:,} bytes, which is the most that is read", file=file)
    return data


def parse(data: bytes, file: Path | None = None, most_parts: int = MOST_PARTS) -> Any:
    """The value in `data`. `DamagedFile` when it is too large, no JSON, or two readers could see two things in it."""
    if len(data) > LARGEST:
        raise DamagedFile(f"has {len(data):,} bytes; at most {LARGEST:,} are read", file=file)
    if sum(map(data.count, (b",", b"[", b"{"))) > most_parts:
        raise DamagedFile(f"has more than {most_parts:,} members and items, which is the most that is read", file=file)
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError as error:
        raise DamagedFile("JSON nested too deeply", file=file) from error
    except ValueError as error:
        raise DamagedFile(f"not the JSON that was expected: {error}", file=file) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} is there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
