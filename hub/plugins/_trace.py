"""HUB_TRACE=1: every call of a hook and of a format, with its plugin and how long it took, on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from time import perf_counter
from typing import Any, TypeVar

from hub.interface import Format

T = TypeVar("T")

_METHODS = ("sniff", "read", "plan", "write", "validate", "describe")


def tracing() -> bool:
    """True when HUB_TRACE asks for it."""
    return os.environ.get("HUB_TRACE", "") not in {"", "0"}


def traced(call: Callable[..., T], what: str, plugin: str) -> Callable[..., T]:
    """`call`, which tells when it is over; for one that yields, the time is what drawing from it takes."""
    if not tracing():
        return call

    @wraps(call)
    def timed(*arguments: Any, **named: Any) -> Any:
        clock = _Clock(what, plugin)
        with clock:
            value = call(*arguments, **named)
        if isinstance(value, Iterator):
            return clock.drawn(value)
        clock.tell()
        return value

    return timed


class _Clock:
    """Adds up the time of `with` blocks; tells the sum when asked, or when one raises."""

    def __init__(self, what: str, plugin: str) -> None:
        self.what, self.plugin, self.seconds = what, plugin, 0.0

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.seconds += perf_counter() - self._started
        if kind is not None and kind is not StopIteration:
            self.tell(f", raised {kind.__name__}")

    def drawn(self, items: Iterator[T]) -> Iterator[T]:
        """The items, drawn on the clock."""
        while True:
            try:
                with self:
                    item = next(items)
            except StopIteration:
                self.tell()
                return
            yield item

    def tell(self, outcome: str = "") -> None:
        """One line on stderr."""
        line = f"hub: trace: {self.what} {self.seconds * 1000:.3f} ms [{self.plugin}]{outcome}"
        print(line, file=sys.stderr)


def traced_format(one: Format, plugin: str) -> None:
    """Make every method of a format tell; a format that takes no attributes stays as it is."""
    for name in _METHODS:
        method = getattr(one, name, None)
        if method is not None and not hasattr(method, "__wrapped__"):
            with suppress(AttributeError):
                object.__setattr__(one, name, traced(method, f"{one.name}.{name}", plugin))
