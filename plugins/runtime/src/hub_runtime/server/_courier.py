"""Hands calls from an engine's thread to the event loop without making the engine wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue

Call = Callable[[], None]


class Courier:
    """Runs calls in `loop`, in their order; `close` it when nothing more will come.

    Waking an event loop is a system call, and around it Python lets another thread run: the loop would take the
    interpreter, and the engine wait until all answers are written. Putting something into a queue keeps it, so that the
    engine goes on to the next batch, and the answers are written while llama.cpp computes that.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop = loop
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._carry, name=f"courier {name}", daemon=True)
        self._thread.start()

    def post(self, call: Call) -> None:
        """Run `call` in the loop, unless that is closed by then. From any thread."""
        self._calls.put(call)

    def close(self) -> None:
        """Hand over what is left, and end."""
        self._calls.put(None)
        self._thread.join()

    def _carry(self) -> None:
        while (call := self._calls.get()) is not None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(call)
