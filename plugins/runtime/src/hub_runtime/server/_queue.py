"""What waits for an engine: generations in order of arrival, and calls between two steps. Bounded, thread-safe."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from hub_runtime.server._answer import Answer, Part

Call = Callable[[], None]


class Full(Exception):
    """There is no room for the request now."""


class Inbox:
    """Where the event loop leaves work for one engine's thread. At most `capacity` generations wait or run."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._changed = threading.Condition()
        self._waiting: deque[Part] = deque()
        self._calls: deque[Call] = deque()
        self._load = 0
        self._closed = False

    @property
    def depth(self) -> int:
        """Generations that wait for a slot."""
        return len(self._waiting)

    def put(self, answer: Answer) -> None:
        """Queue all parts of `answer`, or raise `Full` and queue none."""
        with self._changed:
            self._take(len(answer.parts))
            self._waiting.extend(answer.parts)
            self._changed.notify()

    def put_calls(self, calls: Sequence[Call]) -> None:
        """Queue functions to run in the engine's thread, each between two steps, or raise `Full`."""
        with self._changed:
            self._take(1)
            self._calls.extend(calls)
            self._changed.notify()

    def _take(self, count: int) -> None:
        if self._closed or self._load + count > self.capacity:
            raise Full
        self._load += count

    def done(self, count: int = 1) -> None:
        """Give back the room of `count` parts that ended."""
        with self._changed:
            self._load -= count

    def cancel(self, answer: Answer) -> int:
        """Take the waiting parts of `answer` out, and mark it for the engine; how many were taken out."""
        with self._changed:
            answer.cancelled = True
            kept = [part for part in self._waiting if part.answer is not answer]
            gone = len(self._waiting) - len(kept)
            self._waiting = deque(kept)
            self._load -= gone
            self._changed.notify()
            return gone

    def wait(self) -> bool:
        """Sleep until there is something to do; False when the inbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting or self._calls)
            return not self._closed

    def next_part(self, ready: Callable[[Part], bool]) -> Part | None:
        """Take out the first waiting part that is `ready`."""
        with self._changed:
            found = next((part for part in self._waiting if ready(part)), None)
            if found is not None:
                self._waiting.remove(found)
            return found

    def next_call(self) -> Call | None:
        """Take out the next call."""
        with self._changed:
            return self._calls.popleft() if self._calls else None

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._closed

    def close(self) -> list[Answer]:
        """Take nothing more; the answers that were still waiting, without those."""
        with self._changed:
            self._closed = True
            left = list({id(part.answer): part.answer for part in self._waiting}.values())
            self._waiting.clear()
            self._calls.clear()
            self._changed.notify()
            return left
