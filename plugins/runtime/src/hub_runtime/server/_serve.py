"""Running the server: listen, load, answer, and on SIGTERM or SIGINT finish what was begun."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import uvicorn

from hub.errors import UsageError
from hub_runtime.server._app import application
from hub_runtime.server._config import Config
from hub_runtime.server._keys import Keys
from hub_runtime.server._log import log, start_logging
from hub_runtime.server._state import State

# Seconds after which a Python thread must let another one run: the engine's waits for the event loop's between steps.
_SWITCH = 0.0005
_INTERRUPTED = 130


def serve(config: Config) -> int:
    """Serve until SIGTERM (exit code 0) or SIGINT (130). `HubError` when it cannot start or a model does not load."""
    start_logging()
    sys.setswitchinterval(_SWITCH)
    keys = Keys.read(config.api_key_file)
    with _listening(config) as listener:
        return asyncio.run(run(State(config, keys), listener))


def _listening(config: Config) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        raise UsageError(f"cannot listen on {config.host} port {config.port}: {error.strerror or error}") from error


async def run(state: State, listener: socket.socket) -> int:
    """Serve `state` on a bound socket until a signal asks to stop; the exit code."""
    server = _Server(_settings(state))
    stop = Stop()
    for engine in state.engines.values():
        engine.start(lambda: _look(state, stop))
    with stop.on_signals():
        task = asyncio.create_task(server.serve(sockets=[listener]))
        log("listening", address=_address(listener), models=list(state.engines))
        stopping = asyncio.create_task(stop.asked.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await drain(state, stop)
        for engine in state.engines.values():
            await asyncio.to_thread(engine.stop)
        server.should_exit = True
        await task
    if state.failure is not None:
        raise state.failure
    log("stopped")
    return _INTERRUPTED if stop.number == signal.SIGINT else 0


def _settings(state: State) -> uvicorn.Config:
    return uvicorn.Config(
        application(state), log_config=None, access_log=False, lifespan="off", server_header=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip


def _address(listener: socket.socket) -> str:
    if listener.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _look(state: State, stop: Stop) -> None:
    """A model was loaded, or was not."""
    if state.failure is not None:
        stop.ask(0)
    elif state.status == "ok":
        log("ready", models=list(state.engines))


async def drain(state: State, stop: Stop) -> None:
    """Take no new work, and wait for the rest until it is done, the time is up or a second signal comes."""
    state.draining = True
    log("draining", in_flight=state.in_flight, timeout=state.config.drain_timeout)
    loop = asyncio.get_running_loop()
    end = loop.time() + state.config.drain_timeout
    while state.in_flight and loop.time() < end and not stop.hurry and state.failure is None:
        await asyncio.sleep(0.02)


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
