"""Servers as processes of their own, and clients that stream from them as OpenAI's client does."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

WAIT = 60.0  # seconds for a server to be ready


class Server:
    """A server's process; `url` is where it answers. A context manager: it ends with the block."""

    url: str

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603  # programs of this environment, or named by the caller
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.lines.append(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(WAIT)

    def _until(self, ready: str) -> str:
        """The first line that holds `ready`."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end and self.process.poll() is None:
            found = next((line for line in list(self.lines) if ready in line), None)
            if found is not None:
                return found
            time.sleep(0.02)
        raise SystemExit(f"{self.process.args!r} is not ready: {''.join(self.lines[-5:])}")

    def resident(self) -> int:
        """Resident memory in KiB; Linux alone."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


class Ours(Server):
    """`hub serve`."""

    def __init__(self, model: Path, threads: int, *flags: str) -> None:
        command = (sys.executable, "-m", "hub", "serve", str(model), "--port", "0", "--threads", str(threads), *flags)
        super().__init__(command)
        self._until('"ready"')
        self.url = str(json.loads(self._until('"listening"'))["address"])

    def metrics(self) -> dict[str, float]:
        """The counters of /metrics, by name."""
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:  # noqa: S310  # our own server
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name.partition("{")[0]: float(value) for name, value in pairs}


class LlamaCppServer(Server):
    """llama-cpp-python's own server, run by the interpreter `python`, which has its extra [server]."""

    def __init__(self, python: Path, model: Path, threads: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        settings = {
            "model": str(model), "host": "127.0.0.1", "port": port, "n_ctx": "512",
            "n_threads": str(threads), "n_threads_batch": str(threads),
            "interrupt_requests": "false",  # else a second client ends the first one's answer
            "logits_all": "false", "verbose": "false",
        }  # fmt: skip
        flags = [part for name, value in settings.items() for part in (f"--{name}", value)]
        super().__init__((str(python), "-m", "llama_cpp.server", *flags))
        self._until("Uvicorn running")
        self.url = f"http://127.0.0.1:{port}"


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens per second of clients at once: `total` over all the time, `steady` behind the first token of the first.

    `whole`: no answer ended before it had all its tokens.
    """

    total: float
    steady: float
    whole: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """When the events of one answer arrived, and how many tokens it has: an event each where it ended early."""

    times: list[float]
    tokens: int


async def _stream(client: object, model: str, prompt: str, count: int) -> _Answer:
    import openai

    assert isinstance(client, openai.AsyncOpenAI)  # noqa: S101  # openai is imported where it is used
    answer = await client.completions.create(model=model, prompt=prompt, max_tokens=count, temperature=0, stream=True)
    times, reason = [], None
    async for event in answer:
        times.append(time.perf_counter())
        reason = event.choices[0].finish_reason or reason
    return _Answer(times, count if reason == "length" else len(times))


async def _all(url: str, prompts: Sequence[str], count: int) -> Rates:
    import openai

    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        model = (await client.models.list()).data[0].id
        started = time.perf_counter()
        answers = await asyncio.gather(*(_stream(client, model, prompt, count) for prompt in prompts))
        ended = time.perf_counter()
    first = answers[0]
    steady = (first.tokens - 1) / (first.times[-1] - first.times[0])
    tokens = [answer.tokens for answer in answers]
    return Rates(sum(tokens) / (ended - started), steady, min(tokens) == count)


def clients(url: str, prompts: Sequence[str], count: int) -> Rates:
    """One client a prompt, all at once, each streaming `count` tokens."""
    return asyncio.run(_all(url, prompts, count))
