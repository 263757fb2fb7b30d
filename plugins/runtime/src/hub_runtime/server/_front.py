"""Running replicas: the processes, and the front through which requests come to them."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path

from hub_runtime.server._config import Config
from hub_runtime.server._fleet import Fleet
from hub_runtime.server._gate import Gate
from hub_runtime.server._keys import Keys
from hub_runtime.server._metrics import Metrics
from hub_runtime.server._proxy import Front
from hub_runtime.server._until import Stop, until_stopped


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


async def run_fleet(config: Config, keys: Keys, listener: socket.socket) -> int:
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
