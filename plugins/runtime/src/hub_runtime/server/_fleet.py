"""Replicas: server processes that are watched, and started again when they die or no longer answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from pathlib import Path

import httpx
from prometheus_client import Counter

from hub import processes
from hub.errors import HubError
from hub_runtime.engine import default_threads
from hub_runtime.server._config import Config
from hub_runtime.server._log import log
from hub_runtime.server._metrics import Metrics

# Seconds between two looks at a replica, how long it may take to answer, and how many silences are its death.
_EVERY, _PATIENCE, _SILENCES = 0.5, 10.0, 3
# Seconds to wait before starting a replica again: so many at first, twice as many each time it dies young.
_PAUSE, _LONGEST_PAUSE, _YOUNG = 0.1, 10.0, 10.0


class Replica:
    """One process: `ready` when it takes requests, `client` to ask it, `failure` when it could not even start."""

    def __init__(self, number: int, config: Config, folder: Path, restarts: Counter) -> None:
        self.number, self.config = number, config
        self.ready, self.was_ready = False, False
        self.failure: HubError | None = None
        self._socket, self._restarts = folder / str(number), restarts
        self._process: asyncio.subprocess.Process | None = None
        transport = httpx.AsyncHTTPTransport(uds=str(self._socket), limits=httpx.Limits(max_connections=None))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://replica", timeout=None)  # noqa: S113  # answers take as long as they take

    async def live(self) -> None:
        """Start the process, watch it, and start it again, until cancelled or until it cannot start at all."""
        pause = _PAUSE
        while True:
            began = time.monotonic()
            code = await self._run()
            log("replica_died", level=logging.ERROR, replica=self.number, code=code)
            if not self.was_ready:
                self.failure = HubError(f"replica {self.number} does not start (exit code {code})", hint="see the log")
                return
            pause = min(2 * pause, _LONGEST_PAUSE) if time.monotonic() - began < _YOUNG else _PAUSE
            await asyncio.sleep(pause)
            self._restarts.inc()

    async def _run(self) -> int:
        """One life of the process; its exit code."""
        self._socket.unlink(missing_ok=True)
        command = processes.module("hub_runtime.server._replica", str(self._socket), str(self.number))
        # a session of its own: an interrupt from the terminal reaches the parent, which stops its children in order
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, start_new_session=True)
        self._process = process
        assert process.stdin is not None  # noqa: S101  # we asked for a pipe
        with contextlib.suppress(ConnectionError):
            process.stdin.write(self.config.model_dump_json(by_alias=True).encode() + b"\n")
            await process.stdin.drain()
        watch = asyncio.create_task(self._watch(process))
        try:
            return await process.wait()
        finally:
            self.ready = False
            watch.cancel()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Ask for its health; kill it when it stays silent after it was ready."""
        silences = 0
        while silences < _SILENCES:
            try:
                answer = await self.client.get("/health/ready", timeout=_PATIENCE)
                self.ready, silences = answer.status_code == 200, 0
                self.was_ready = self.was_ready or self.ready
            except httpx.TimeoutException:
                self.ready, silences = False, silences + 1
            except httpx.TransportError:  # it does not listen yet, or is about to die
                self.ready = False
            await asyncio.sleep(_EVERY)
        log("replica_silent", level=logging.ERROR, replica=self.number)
        process.kill()

    async def stop(self, patience: float) -> None:
        """End the process: politely, and after `patience` seconds not."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await self.client.aclose()


class Fleet:
    """All replicas, in a `folder` that nobody else can enter. `turn` gives them in round-robin order."""

    def __init__(self, config: Config, folder: Path, metrics: Metrics) -> None:
        restarts = Counter("hub_replica_restarts", "Replicas started again", registry=metrics.registry)
        threads = config.threads or max(1, default_threads() // config.replicas)
        mmap = config.mmap is not False  # what is mapped they share
        own = config.model_copy(update={"replicas": 1, "mmap": mmap, "api_key_file": None, "threads": threads})
        self.replicas = [Replica(number, own, folder, restarts) for number in range(config.replicas)]
        self._next = 0

    @property
    def failure(self) -> HubError | None:
        """Why a replica could not start."""
        return next((replica.failure for replica in self.replicas if replica.failure), None)

    def turn(self) -> list[Replica]:
        """The ready replicas, beginning with the one whose turn it is."""
        self._next = (self._next + 1) % len(self.replicas)
        ordered = self.replicas[self._next :] + self.replicas[: self._next]
        return [replica for replica in ordered if replica.ready]

    async def stop(self, patience: float) -> None:
        """End all processes."""
        await asyncio.gather(*(replica.stop(patience) for replica in self.replicas))
