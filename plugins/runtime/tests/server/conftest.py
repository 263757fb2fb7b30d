"""Real servers on loopback, as processes of their own, and OpenAI's own client to talk to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import pytest

# What hub-runtime brings for its server, and OpenAI's client; without them nothing here can be imported.
MISSING = [name for name in ("starlette", "uvicorn", "httpx", "openai") if find_spec(name) is None]


class _Left(pytest.Module):
    """A module that is left out, aloud."""

    def collect(self) -> NoReturn:
        pytest.skip(f"{', '.join(MISSING)}: not installed")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Every test of this folder, or a reason why not."""
    return _Left.from_parent(parent, path=module_path) if MISSING else None


WAIT = 60.0  # seconds; a bound for what hangs, not for what is slow


class Server:
    """`hub serve` in a process of its own; its log lines are read as they come."""

    def __init__(self, *args: object, environment: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "hub", "serve", *map(str, args), "--port", "0"]
        # spinning threads of llama.cpp would take the cores from the tests beside
        quiet = {**os.environ, "OMP_WAIT_POLICY": "passive", **(environment or {})}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=quiet
        )
        self.lines: list[dict[str, Any]] = []
        self.other: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.other.append(line)

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """The `count`th log line of that event."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            found = [line for line in list(self.lines) if line.get("event") == event]
            if len(found) >= count:
                return found[count - 1]
            assert self.process.poll() is None, (self.lines[-5:], self.other)
            time.sleep(0.01)
        raise AssertionError(f"no {event}: {self.lines[-5:]} {self.other}")

    @property
    def url(self) -> str:
        return str(self.wait_for("listening")["address"])

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        import httpx

        lines = httpx.get(f"{self.url}/metrics", timeout=WAIT).text.splitlines()
        found = [line.rsplit(" ", 1) for line in lines if line.startswith((name + "{", name + " "))]
        return sum(float(value) for _, value in found)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()`."""
        end = time.monotonic() + WAIT
        while not holds():
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.02)

    def stop(self) -> int:
        """End the server as a service manager does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(WAIT)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(WAIT)
            assert self.process.stderr is not None
            self.process.stderr.close()
        return code


@pytest.fixture(scope="session")
def able(llama: Any) -> bool:
    """Skips where the server cannot run or OpenAI's client is not installed."""
    from hub.cli._extensions import extensions

    assert llama
    pytest.importorskip("openai", reason="OpenAI's client is not installed")
    if "serve" not in extensions():
        pytest.skip("hub-runtime is not installed: hub has no command serve")
    return True


@contextmanager
def starting(environment: dict[str, str] | None = None) -> Iterator[Callable[..., Server]]:
    """A function that starts servers; all are stopped at the end."""
    with ExitStack() as stack:

        def started(*args: object, ready: bool = True) -> Server:
            server = Server(*args, environment=environment)
            stack.callback(server.stop)
            if ready:
                server.wait_for("ready")
            return server

        yield started


@pytest.fixture
def start(able: bool) -> Iterator[Callable[..., Server]]:
    """`start(*flags)`: a server that is ready, until the test ends."""
    assert able
    with starting() as started:
        yield started


@pytest.fixture(scope="module")
def start_for_all(able: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """The same, until the module ends."""
    assert able
    with starting({"HUB_CACHE": str(tmp_path_factory.mktemp("cache"))}) as started:
        yield started


@pytest.fixture(scope="session")
def server(able: bool, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server of the tiny model for all tests that leave it as it was."""
    assert able
    cache = tmp_path_factory.mktemp("cache")
    made = Server(tiny, "--parallel", 4, "--queue", 64, "--threads", 1, "--pooling", "mean",
                  environment={"HUB_CACHE": str(cache)})  # fmt: skip
    try:
        made.wait_for("ready")
        yield made
    finally:
        made.stop()


def client_of(server: Server, key: str = "none") -> Any:
    """OpenAI's client for `server`, which does not try again."""
    import openai

    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=WAIT)


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Any]:
    """OpenAI's client for the common server."""
    with client_of(server) as made:
        yield made


@pytest.fixture(scope="session")
def connect() -> Callable[..., Any]:
    """`client_of` itself."""
    return client_of


@pytest.fixture(scope="session")
def serving(able: bool, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`with serving(*flags) as client`: a server for a while, and OpenAI's client for it."""
    assert able

    @contextmanager
    def made(*args: object) -> Iterator[Any]:
        server = Server(*args, environment={"HUB_CACHE": str(tmp_path_factory.mktemp("cache"))})
        try:
            server.wait_for("ready")
            with client_of(server) as client:
                yield client
        finally:
            server.stop()

    return made
