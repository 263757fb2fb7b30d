"""Answering until a signal asks to stop, and then finishing what was begun."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp

from hub_runtime.server._config import Config
from hub_runtime.server._log import log

_INTERRUPTED = 130


class House(Protocol):
    """What is served: `draining` takes no new work, `in_flight` requests are not complete, `failure` ends it."""

    draining: bool
    in_flight: int

    @property
    def config(self) -> Config: ...

    @property
    def failure(self) -> Exception | None: ...


async def until_stopped(
    app: ASGIApp, listener: socket.socket, house: House, stop: Stop, end: Callable[[], Awaitable[None]]
) -> int:
    """Serve `app` on a bound socket until `stop` is asked for; drain; `await end()`; the exit code.

    Raises the house's failure when that was the reason.
    """
    server = _Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=1
        )
    )
    with stop.on_signals():
        task = asyncio.create_task(server.serve(sockets=[listener]))
        log("listening", address=_address(listener), models=house.config.names)
        stopping = asyncio.create_task(stop.asked.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await _drain(house, stop)
        await end()
        server.should_exit = True
        await task
    if house.failure is not None:
        raise house.failure
    log("stopped")
    return _INTERRUPTED if stop.number == signal.SIGINT else 0


async def _drain(house: House, stop: Stop) -> None:
    """Take no new work, and wait for the rest until it is done, the time is up or a second signal comes."""
    house.draining = True
    log("draining", in_flight=house.in_flight, timeout=house.config.drain_timeout)
    loop = asyncio.get_running_loop()
    end = loop.time() + house.config.drain_timeout
    while house.in_flight and loop.time() < end and not stop.hurry and house.failure is None:
        await asyncio.sleep(0.02)


def _address(listener: socket.socket) -> str:
    if listener.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Stop:
    """The wish to stop: `asked` is set by the first signal, `hurry` by the second; `number` is the signal's."""

    def __init__(self) -> None:
        self.asked, self.hurry, self.number = asyncio.Event(), False, 0
        self._loop = asyncio.get_running_loop()

    def ask(self, number: int) -> None:
        """Stop, or hurry when that was asked for before."""
        self.hurry = self.asked.is_set()
        self.number = self.number or number
        self.asked.set()

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen to SIGTERM and SIGINT inside the block, where the thread may."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._caught) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _caught(self, number: int, _: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self.ask, number)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: ours let the requests under way finish first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
