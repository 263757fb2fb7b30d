import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

LONG = {"257": -100}  # no end before max_tokens
MANY = {"prompt": "Once", "max_tokens": 480, "n": 32, "temperature": 0, "logit_bias": LONG}


async def all_at_once(url: str, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=len(bodies))) as client:
        return await asyncio.gather(*(client.post(f"{url}/v1/completions", json=body) for body in bodies))


def test_64_at_once_are_answered_each_with_its_own_text_or_refused(start: Callable[..., Any], tiny: Path) -> None:
    server = start(tiny, "--threads", 1, "--parallel", 4, "--queue", 16)
    bodies: list[dict[str, Any]] = [
        {"prompt": f"{i} tells of the sea", "max_tokens": 60 + i, "temperature": 0, "logit_bias": LONG}
        for i in range(64)
    ]
    answers = asyncio.run(all_at_once(server.url, bodies))
    assert {a.status_code for a in answers} <= {200, 429}
    assert sum(a.status_code == 200 for a in answers) >= 20
    assert all(a.headers["retry-after"] for a in answers if a.status_code == 429)
    assert server.metric("hub_requests_refused_total") == sum(a.status_code == 429 for a in answers)
    for body, answer in zip(bodies, answers, strict=True):
        if answer.status_code == 200:
            alone = httpx.post(f"{server.url}/v1/completions", json=body, timeout=60).json()
            assert answer.json()["choices"][0]["text"] == alone["choices"][0]["text"]
            assert answer.json()["usage"]["completion_tokens"] == body["max_tokens"]
    assert server.metric("hub_slots_active") == server.metric("hub_queue_depth") == 0


def test_a_full_queue_refuses_and_has_room_again(start: Callable[..., Any], tiny: Path) -> None:
    server = start(tiny, "--threads", 1, "--parallel", 1, "--queue", 31)
    with httpx.stream("POST", f"{server.url}/v1/completions", json={**MANY, "stream": True}, timeout=60) as answer:
        lines = answer.iter_lines()  # letting go of it would end the connection
        next(lines)
        refused = httpx.post(f"{server.url}/v1/completions", json={"prompt": "x", "n": 30}, timeout=60)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert int(refused.headers["retry-after"]) > 0
        assert server.metric("hub_queue_depth") > 0
    server.until(lambda: server.metric("hub_slots_active") == 0)  # the client of the stream has left
    assert httpx.post(f"{server.url}/v1/completions", json={"prompt": "x", "max_tokens": 2}).status_code == 200


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_slots(start: Callable[..., Any], tiny: Path, stream: bool) -> None:
    server = start(tiny, "--threads", 1, "--parallel", 2, "--queue", 62)
    body = {**MANY, "stream": stream}
    if stream:
        with httpx.stream("POST", f"{server.url}/v1/completions", json=body, timeout=60) as answer:
            next(answer.iter_lines())
    else:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/v1/completions", json=body, timeout=0.3)
    server.until(lambda: server.metric("hub_generations_cancelled_total") > 0)
    server.until(lambda: server.metric("hub_slots_active") == server.metric("hub_queue_depth") == 0)
    assert server.metric("hub_generated_tokens_total") < 32 * 480 / 2
    assert server.metric("hub_kv_tokens") <= server.metric("hub_kv_capacity_tokens")


def test_a_beginning_that_prompts_share_is_computed_once(start: Callable[..., Any], tiny: Path) -> None:
    server = start(tiny, "--threads", 1, "--parallel", 4)
    head = "You are a helpful assistant and answer in one word. " * 6
    bodies = [{"prompt": f"{head}{i}", "max_tokens": 4, "temperature": 0} for i in range(8)]
    answers = asyncio.run(all_at_once(server.url, bodies))
    assert {a.status_code for a in answers} == {200}
    cached = [a.json()["usage"]["prompt_tokens_details"]["cached_tokens"] for a in answers]
    assert sorted(cached)[0] == 0
    assert all(count >= len(head) for count in sorted(cached)[1:])
    computed = server.metric("hub_prompt_tokens_total") - server.metric("hub_prompt_tokens_cached_total")
    assert computed < 2 * len(head)


def resident(pid: int) -> int:
    """Resident memory in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_memory_is_flat_over_500_requests(start: Callable[..., Any], tiny: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("resident memory is read from /proc, which is not here")
    server = start(tiny, "--threads", 1, "--parallel", 4)
    with httpx.Client(base_url=server.url, timeout=60) as client:

        def ask(number: int) -> None:
            body = {"prompt": f"{number}", "max_tokens": 3, "logprobs": 2, "stream": number % 2 == 0}
            assert client.post("/v1/completions", json=body).status_code == 200

        for number in range(100):  # what is allocated once and kept: buffers, pieces of tokens
            ask(number)
        before = resident(server.process.pid)
        for number in range(500):
            ask(number)
        assert resident(server.process.pid) - before < 4096
