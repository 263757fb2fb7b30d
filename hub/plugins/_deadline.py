"""Work of a stranger's code that must not take for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Late(Exception):
    """The time is over and the work is not done; it goes on in its thread, which ends with the process."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns or raises; `Late` when that takes longer than `seconds`."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except SystemExit as error:
            errors.append(RuntimeError(f"sys.exit({error.code!r})"))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="hub-deadline", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise Late
    return results[0]
