"""Who moved which name from where to where: one line each, every line sealed by the next, the last by index.json.

A move is begun by appending its line and done when index.json names the digest of that line; what follows the named
line was begun by a process that ended, and is cut off by the next move.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from hub.errors import DamagedFile

Action: TypeAlias = Literal["add", "tag", "rollback", "rm", "pull"]
START = "sha256:" + "0" * 64
"""What the first line names as the one before it."""


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a name: `came` and `went` are digests of manifests, None for nothing; `why` says from where."""

    at: str
    by: str
    action: Action
    name: str
    came: str | None
    went: str | None
    why: str | None = None


def whoami() -> str:
    """user@host, for the record."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def now() -> str:
    """The time as RFC 3339 has it, in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class History:
    """The file; `head` is the digest that index.json names, None before the first move."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def moves(self, head: str | None) -> list[Move]:
        """All moves up to the line that `head` names; `DamagedFile` when the lines do not lead there."""
        return [move for move, _ in self._lines(head)]

    def is_there(self) -> bool:
        """True when there are lines at all."""
        return self.path.exists() and self.path.stat().st_size > 0

    def append(self, head: str | None, moves: Iterable[Move]) -> str | None:
        """Append behind the line that `head` names, onto the disk; the digest to be named next.

        A history that index.json does not name any more, because another program wrote that file, is put aside.
        """
        end = max((end for _, end in self._lines(head)), default=0)
        if head is None and self.is_there():
            self.path.rename(self.path.with_name(f"{self.path.stem}-until-{now().replace(':', '')}{self.path.suffix}"))
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.truncate(end)
            file.seek(end)
            for move in moves:
                line = json.dumps({**asdict(move), "before": head or START}, ensure_ascii=True).encode() + b"\n"
                file.write(line)
                head = _digest(line)
            file.flush()
            os.fsync(file.fileno())
        return head

    def _lines(self, head: str | None) -> list[tuple[Move, int]]:
        """Each move and where its line ends."""
        if head is None:
            return []
        found: list[tuple[Move, int]] = []
        before, end = START, 0
        try:
            file = self.path.open("rb")
        except FileNotFoundError as error:
            raise DamagedFile("is missing; index.json names a line in it", file=self.path) from error
        with file:
            for line in file:
                end += len(line)
                found.append((self._parsed(line, before, end - len(line)), end))
                before = _digest(line)
                if before == head:
                    return found
        raise DamagedFile(f"does not hold the line {head} that index.json names", file=self.path)

    def _parsed(self, line: bytes, before: str, offset: int) -> Move:
        try:
            fields = json.loads(line)
            named = fields.pop("before")
            move = Move(**fields)
            known = move.action in get_args(Action)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise DamagedFile("is no line of a history", file=self.path, offset=offset) from error
        if named != before or not known:
            raise DamagedFile("the line before this one is not the one it names", file=self.path, offset=offset)
        return move


def _digest(line: bytes) -> str:
    return f"sha256:{hashlib.sha256(line).hexdigest()}"


def positions(moves: Sequence[Move], name: str) -> list[str | None]:
    """Where `name` stood, oldest first, without what was rolled back; the last is where it stands."""
    stack: list[str | None] = [None]
    for move in (move for move in moves if move.name == name):
        if stack[-1] != move.came:  # another program had moved it
            stack.append(move.came)
        if move.action == "rollback" and move.went in stack[:-1]:
            del stack[_last(stack[:-1], move.went) + 1 :]
        elif stack[-1] != move.went:
            stack.append(move.went)
    return stack


def _last(stack: Sequence[str | None], digest: str | None) -> int:
    """The highest place of `digest`."""
    return max(place for place, one in enumerate(stack) if one == digest)
