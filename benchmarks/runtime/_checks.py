"""What must hold under load whatever the speed: the same words in company, flat memory, every request answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.runtime._prompts import PROMPTS
from benchmarks.runtime._servers import Ours
from hub_runtime.engine import Request, Slots, generate_all, load

SLOTS, CTX, TOKENS = 8, 512, 48
WARM, REQUESTS, CROWD = 100, 500, 64


@dataclass(frozen=True, slots=True)
class Checks:
    """`same` of `prompts` had the same greedy tokens eight at a time as one at a time.

    `growth_kib`: resident memory of a server after 500 requests against before, behind 100 uncounted ones. `crowd`:
    how many of 64 requests at once to `--parallel 4 --queue 16` got which status; `incomplete` of those with 200 lack
    tokens.
    """

    model: str
    prompts: int
    same: int
    growth_kib: int
    crowd: dict[str, int]
    incomplete: int


def check(model: Path, threads: int) -> Checks:
    """All checks of one model."""
    same = _same(model, threads)
    with Ours(model, threads, "--parallel", "4", "--queue", "16", "--ctx", str(CTX)) as server:
        crowd, incomplete = asyncio.run(_crowd(server.url))
        growth = _growth(server)
    return Checks(model.name, len(PROMPTS), same, growth, crowd, incomplete)


def _same(model: Path, threads: int) -> int:
    """How many prompts get the same greedy tokens together as alone."""
    with load(model, gpu_layers=0) as loaded, loaded.context(CTX, sequences=SLOTS, threads=threads) as context:
        slots = Slots(context)
        requests = [Request(loaded.vocab.tokenize(prompt), max_tokens=TOKENS, endless=True) for prompt in PROMPTS]
        alone = [_answers(slots, [request])[0] for request in requests]
        return sum(a == b for a, b in zip(alone, _answers(slots, requests), strict=True))


def _answers(slots: Slots, requests: Sequence[Request]) -> list[list[int]]:
    done = {number: generation for number, generation, _ in generate_all(slots, requests)}
    return [done[number].tokens for number in range(len(requests))]


async def _crowd(url: str) -> tuple[dict[str, int], int]:
    """The statuses of 64 requests at once, and how many answers lack tokens."""
    import httpx

    limits = httpx.Limits(max_connections=CROWD)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:
        bodies = [{"prompt": f"{n} {PROMPTS[n % 8]}", "max_tokens": 16, "temperature": 0} for n in range(CROWD)]
        answers = await asyncio.gather(*(client.post(f"{url}/v1/completions", json=body) for body in bodies))
    whole = [
        answer.json()["choices"][0]["finish_reason"] in ("length", "stop") for answer in answers if answer.is_success
    ]
    return dict(Counter(str(answer.status_code) for answer in answers)), whole.count(False)


def _growth(server: Ours) -> int:
    """KiB that 500 requests, every other one streamed, leave behind."""
    import httpx

    with httpx.Client(base_url=server.url, timeout=60) as client:

        def ask(number: int) -> None:
            body = {"prompt": f"{number}", "max_tokens": 3, "logprobs": 2, "stream": number % 2 == 0}
            client.post("/v1/completions", json=body).raise_for_status()

        for number in range(WARM):
            ask(number)
        before = server.resident()
        for number in range(REQUESTS):
            ask(number)
        return server.resident() - before
