"""What an engine owes to one HTTP request, on the event loop's side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from hub_runtime.engine import Finish, Generation, Request, Token


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of part `part` of an answer; `finish` is set on the last one of the part."""

    part: int
    token: Token
    finish: Finish | None


@dataclass(eq=False)
class Part:
    """One generation of an answer: its number, what is asked for and, once it runs, the generation.

    The event loop knows when its `last` token came, once it was `told` of one.
    """

    answer: Answer
    number: int
    request: Request
    generation: Generation | None = None
    last: float = 0.0
    told: bool = False


class Answer:
    """The generations that one HTTP request asked for. The engine's thread never touches it: it posts through the loop.

    `cancelled` is read by the engine: nobody waits for the rest.
    """

    def __init__(self, requests: Sequence[Request], loop: asyncio.AbstractEventLoop) -> None:
        self.arrived = time.perf_counter()
        self.parts = [Part(self, number, request) for number, request in enumerate(requests)]
        self.cancelled = False
        self._news: asyncio.Queue[Piece | Exception] = asyncio.Queue()
        self._admitted: asyncio.Future[Exception | None] = loop.create_future()

    def admit(self, error: Exception | None = None) -> None:
        """Take notice that a first part has a slot, or why none gets one."""
        if not self._admitted.done():
            self._admitted.set_result(error)

    def post(self, news: Piece | Exception) -> None:
        """Hand over a token, or the error that ends the answer."""
        self.admit(news if isinstance(news, Exception) else None)
        self._news.put_nowait(news)

    async def admitted(self) -> None:
        """Wait until a slot is at work; raises when the engine refuses the request."""
        error = await self._admitted
        if error is not None:
            raise error

    async def pieces(self) -> AsyncIterator[Piece]:
        """The tokens of all parts as they come; raises what went wrong."""
        unfinished = len(self.parts)
        while unfinished:
            news = await self._news.get()
            if isinstance(news, Exception):
                raise news
            unfinished -= news.finish is not None
            yield news
