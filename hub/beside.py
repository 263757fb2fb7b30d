"""Work that goes on beside the caller's, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """`work`, begun at once in the caller's context; `result` waits for what it gives.

    Worth it where the work mostly waits or is done without the GIL. Whoever is interrupted need not wait: nobody does
    for work whose result nobody asks for, and it ends with the process.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._given: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), daemon=True)
        self._thread.start()

    def result(self) -> T:
        """What the work gave, once it has; what it raised is raised here."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._given[0]

    def _run(self) -> None:
        try:
            self._given.append(self._work())
        except BaseException as error:  # carried to whoever asks
            self._error = error
