"""Running the server: one process that answers, or one that watches over replicas."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from pathlib import Path

from hub.errors import UsageError
from hub_runtime.server._app import application
from hub_runtime.server._config import Config
from hub_runtime.server._fleet import Fleet
from hub_runtime.server._gate import Gate
from hub_runtime.server._keys import Keys
from hub_runtime.server._log import log, start_logging
from hub_runtime.server._metrics import Metrics
from hub_runtime.server._proxy import Front
from hub_runtime.server._state import State
from hub_runtime.server._until import Stop, until_stopped

# Seconds after which a Python thread must let another one run: the engine's waits for the event loop's between steps.
SWITCH = 0.0005


def serve(config: Config) -> int:
    """Serve until SIGTERM (exit code 0) or SIGINT (130). `HubError` when it cannot start or a model does not load."""
    keys = Keys.read(config.api_key_file)
    if config.replicas > 1 and not hasattr(socket, "AF_UNIX"):
        raise UsageError("replicas need Unix sockets, which this system lacks", hint="leave out --replicas")
    start_logging()
    with _listening(config) as listener:
        if config.replicas > 1:
            return asyncio.run(_run_fleet(config, keys, listener))
        sys.setswitchinterval(SWITCH)
        return asyncio.run(run(State(config, keys), listener))


def _listening(config: Config) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        raise UsageError(f"cannot listen on {config.host} port {config.port}: {error.strerror or error}") from error


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

    for engine in state.engines.values():
        engine.start(look)
    return await until_stopped(application(state), listener, state, wish, end)


class _FleetHouse:
    """The replicas and their front, as the gate and the drain see them."""

    def __init__(self, config: Config, keys: Keys, folder: Path) -> None:
        self.config, self.keys, self.metrics = config, keys, Metrics()
        self.draining, self.in_flight = False, 0
        self.fleet = Fleet(config, folder, self.metrics)

    @property
    def failure(self) -> Exception | None:
        """Why a replica could not start."""
        return self.fleet.failure


async def _run_fleet(config: Config, keys: Keys, listener: socket.socket) -> int:
    """Serve through replicas. They listen in a folder of their own, which only this user can enter."""
    with tempfile.TemporaryDirectory(prefix="hub-serve-") as folder:
        house, stop = _FleetHouse(config, keys, Path(folder)), Stop()
        lives = [asyncio.create_task(replica.live()) for replica in house.fleet.replicas]
        for life in lives:
            life.add_done_callback(lambda _: stop.ask(0))

        async def end() -> None:
            for life in lives:
                life.cancel()
            await asyncio.gather(*lives, return_exceptions=True)
            await house.fleet.stop(5.0)

        return await until_stopped(Gate(Front(house.fleet, house.metrics), house), listener, house, stop, end)
