"""A lock between processes on a file that may be removed by whoever holds it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(fd: int, shared: bool, wait: bool) -> None:
        del shared  # Windows locks bytes for one holder; readers wait for each other a moment
        msvcrt.locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(fd: int, shared: bool, wait: bool) -> None:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(fd, how if wait else how | fcntl.LOCK_NB)


class Busy(Exception):
    """The lock is held by another, and waiting was not asked for."""


class Lock:
    """Holds the lock at `path` from construction to `close`; `shared` ones go together, any other is alone.

    `Busy` when it is taken and `wait` is False.
    """

    def __init__(self, path: Path, *, shared: bool, wait: bool = True) -> None:
        self.path = path
        while True:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _take(self._fd, shared, wait)
            except OSError as error:
                self.close()
                raise Busy(path) from error
            except BaseException:
                self.close()
                raise
            if self._current():
                return
            self.close()  # it was removed while we waited; the one there now is another

    def _current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), self.path.stat())
        except FileNotFoundError:
            return False

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
