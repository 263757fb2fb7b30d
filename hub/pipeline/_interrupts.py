"""Ending in order when the user asks twice."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def interrupted_once() -> Iterator[None]:
    """A block in which the first signal that ends the program is heeded, and none while what it began is removed.

    An impatient second Ctrl-C would otherwise end the cleaning up in its middle. Signals reach the main thread only;
    in any other, the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    before = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    heard = threading.Event()

    def once(number: int, frame: FrameType | None) -> None:
        if not heard.is_set():
            heard.set()
            before[number](number, frame)

    try:
        for number in before:
            signal.signal(number, once)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
