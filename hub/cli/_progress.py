"""The progress bar: bytes, bytes per second and time left, on standard error, only when that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.progress

    from hub.pipeline import Progress


class _Bar:
    """One bar for each part of the work."""

    def __init__(self, bars: rich.progress.Progress) -> None:
        self._bars = bars
        self._task: rich.progress.TaskID | None = None

    def start(self, what: str, nbytes: int) -> None:
        """Show a new bar named `what` of `nbytes` bytes."""
        self._task = self._bars.add_task(what, total=nbytes)

    def advance(self, nbytes: int) -> None:
        """Move the current bar."""
        if self._task is not None:
            self._bars.advance(self._task, nbytes)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress display for the block; silent when standard error is not a terminal.

    Blocks that show progress walk every value, so memory is set up for that as well.
    """
    from hub.allocator import reuse_memory, search_seldom
    from hub.pipeline import Silent

    reuse_memory()
    search_seldom()
    if not sys.stderr.isatty():
        yield Silent()
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description:>8}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bar(bars)
