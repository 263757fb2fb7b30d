"""Watching a pass: which nodes are computed, when, and with what values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub_runtime.engine import Context
from hub_runtime.measure._nodes import Node, name_of

Wants = Callable[[str], bool]
See = Callable[[Node, int], None]  # (node, nanoseconds since the node seen before, or since the pass began)


class Tracer:
    """The callback of a context: shows each node that `wants` its name to `see`, with the time it took.

    The time counts everything computed since the node seen before, not what `see` itself takes. Outside `watching`
    nothing is seen.
    """

    def __init__(self) -> None:
        self._wants: Wants | None = None
        self._see: See | None = None
        self._error: BaseException | None = None
        self._since = 0

    def __call__(self, address: int, ask: bool) -> bool:
        """What llama.cpp calls. An exception in `see` ends the pass and is kept for `watching`."""
        now = time.perf_counter_ns()
        try:
            if ask:
                return self._wants is not None and self._wants(name_of(address))
            if self._see is not None:
                self._see(Node.at(address), now - self._since)
        except BaseException as error:  # must not pass through C; `watching` raises it
            self._error = error
            return False
        self._since = time.perf_counter_ns()
        return True

    @contextmanager
    def watching(self, wants: Wants, see: See) -> Iterator[None]:
        """Passes of the block are watched so; what `see` raised is raised."""
        self._wants, self._see, self._error = wants, see, None
        self._since = time.perf_counter_ns()
        try:
            yield
        finally:
            self._wants = self._see = None
        if self._error is not None:
            raise self._error


def feed(context: Context, tokens: list[int], position: int = 0) -> int:
    """Compute `tokens` from `position` on, as `hub run` does; the index of the last one, whose logits are there."""
    batch, index = context.batch(), 0
    for start in range(0, len(tokens), batch.capacity):
        batch.clear()
        piece = tokens[start : start + batch.capacity]
        last = start + len(piece) == len(tokens)
        index = batch.add(piece, position + start, 0, logits=None if last else False)
        context.decode(batch)
    return index
