"""Sending written pages to the disk while the work goes on, so that the flush at the end finds little left to do."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

_PAUSE = 0.1  # seconds between two rounds: short against the flush of what a disk takes in that time


class Flusher:
    """A thread that flushes `files`, a list that may grow meanwhile, over and over until `stop`.

    Decoding and verifying keep the processor busy and the disk idle; this keeps the disk busy too. What it finds wrong
    (a full disk) is left to `sync`, which finds it again and raises it in the caller's thread.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._done.wait(_PAUSE):
            for path in tuple(self._files):
                try:
                    sync(path)
                except OSError:
                    return

    def stop(self) -> None:
        """Return when the thread has ended; calling it twice does no harm."""
        self._done.set()
        self._thread.join()


def sync(path: Path) -> None:
    """Return when the file or folder at `path` is on the disk. `OSError` when it cannot be."""
    if path.is_dir() and os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
