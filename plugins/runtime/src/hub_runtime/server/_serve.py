"""Running the server: one process that answers, or one that watches over replicas."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from hub.errors import UsageError
from hub_runtime.server._app import application
from hub_runtime.server._config import Config
from hub_runtime.server._keys import Keys
from hub_runtime.server._log import log, start_logging
from hub_runtime.server._state import State
from hub_runtime.server._until import Stop, until_stopped

# Seconds after which a Python thread must let another one run: the engine's waits for the event loop's between steps.
SWITCH = 0.0005


def serve(config: Config) -> int:
    """Serve until SIGTERM (exit code 0) or SIGINT (130). `HubError` when it cannot start or a model does not load."""
    keys = Keys.read(config.api_key_file)
    if config.replicas > 1 and not hasattr(socket, "AF_UNIX"):
        raise UsageError("replicas need Unix sockets, which this system lacks", hint="leave out --replicas")
    with listening(config) as listener:
        start_logging()
        if config.replicas > 1:
            from hub_runtime.server._front import run_fleet

            return asyncio.run(run_fleet(config, keys, listener))
        sys.setswitchinterval(SWITCH)
        return asyncio.run(run(State(config, keys), listener))


def listening(config: Config) -> socket.socket:
    """A socket that listens where `config` says; `UsageError` when it cannot."""
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, _, _, address = found[0]
        # asyncio sends without delay (TCP_NODELAY) only where the protocol is named: 40 ms an answer otherwise
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    except OSError as error:
        raise UsageError(f"cannot listen on {config.host}: {error.strerror or error}") from error
    try:
        if os.name == "posix":  # elsewhere it would let two programs share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(f"cannot listen on {config.host} port {config.port}: {error.strerror or error}") from error
    return listener


async def run(state: State, listener: socket.socket, stop: Stop | None = None) -> int:
    """Serve the models of `state` on a bound socket until a signal, or `stop`, asks to stop; the exit code."""
    wish = stop or Stop()

    def look() -> None:
        """A model was loaded, or was not."""
        if state.failure is not None:
            wish.ask(0)
        elif state.status == "ok":
            log("ready", models=list(state.engines))

    async def end() -> None:
        for engine in state.engines.values():
            await asyncio.to_thread(engine.stop)
        if state.traces is not None:
            await asyncio.to_thread(state.traces.close)

    for engine in state.engines.values():
        engine.start(look)
    return await until_stopped(application(state), listener, state, wish, end)
