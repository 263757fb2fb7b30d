"""Watching what a plugin does beside its work: network, programs, files elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["network", "exec", "write"]

_NETWORK = (
    "socket.",
    "urllib.",
    "http.client.",
    "ftplib.",
    "smtplib.",
    "poplib.",
    "imaplib.",
    "nntplib.",
    "telnetlib.",
)
_EXEC = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile",
    "pty.spawn", "pickle.find_class",
)  # fmt: skip
_WRITES = {
    "os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2, "os.truncate": 1,
    "os.chmod": 1, "os.chown": 1, "os.utime": 1, "os.setxattr": 1, "os.removexattr": 1,
}  # fmt: skip
_OPEN_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that a format may not do, and while it did what."""

    kind: Kind
    during: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} during {self.during}"


class Forbidden(PermissionError):
    """Raised inside the plugin: what it was about to do does not happen."""


class Guard:
    """Records forbidden deeds of the whole process while it watches, and keeps them from happening."""

    def __init__(self) -> None:
        self.deeds: list[Deed] = []
        self.during = ""
        self.allowed: tuple[Path, ...] = ()

    @contextmanager
    def watching(self, during: str, *allowed: Path) -> Iterator[None]:
        """Watch the block, called `during`; files below `allowed` may be written."""
        self.during, self.allowed = during, tuple(path.resolve() for path in allowed)
        written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        _install()
        try:
            with _lock:
                _watchers.append(self)
            yield
        finally:
            with _lock:
                _watchers.remove(self)
            sys.dont_write_bytecode = written

    def see(self, event: str, arguments: Sequence[Any]) -> None:
        """Judge an audit event; `Forbidden` for one that may not be."""
        found = self._judged(event, arguments)
        if found is not None:
            kind, what = found
            self.deeds.append(Deed(kind, self.during, what))
            raise Forbidden(f"the conformance suite forbids it: {what}")

    def _judged(self, event: str, arguments: Sequence[Any]) -> tuple[Kind, str] | None:
        if event.startswith(_NETWORK):
            return "network", event
        if event in _EXEC:
            return "exec", f"{event} {str(arguments[0])[:80] if arguments else ''}".rstrip()
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _OPEN_WRITES:
            paths = arguments[:1]
        else:
            paths = arguments[: _WRITES.get(event, 0)]
        odd = [path for path in map(_path, paths) if path is not None and not self._allows(path)]
        return ("write", f"{event} {odd[0]}") if odd else None

    def _allows(self, path: Path) -> bool:
        return path == Path(os.devnull) or any(path.is_relative_to(folder) for folder in self.allowed)


def _path(value: Any) -> Path | None:
    """The place that an event is about; None for a descriptor."""
    if not isinstance(value, str | bytes | os.PathLike):
        return None
    return Path(os.fsdecode(value)).resolve()


_watchers: list[Guard] = []
_lock = threading.Lock()
_installed: list[bool] = []


def _install() -> None:
    """Add the hook, once: Python never takes one away."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watchers:
        _watchers[-1].see(event, arguments)
