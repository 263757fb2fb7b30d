"""Signals while llama.cpp calls back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def heard_afterwards() -> Iterator[None]:
    """A block in which signals that end the program wait for its end.

    Python acts upon a signal as soon as any Python code runs. Where that is a function that llama.cpp called, the
    exception cannot pass through C and would be lost, and with it the user's Ctrl-C. Signals reach the main thread
    only; in any other, the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    before = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    heard: list[int] = []
    try:
        for number in before:
            signal.signal(number, lambda number, _: heard.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(heard):
            signal.raise_signal(number)
