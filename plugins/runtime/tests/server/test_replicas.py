import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub_runtime.server._metrics import merged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="replicas need Unix sockets")
LONG = {"257": -100}
MANY = {"prompt": "Once", "max_tokens": 480, "n": 32, "temperature": 0, "logit_bias": LONG, "stream": True}


def states(server: Any) -> list[str]:
    answer = httpx.get(f"{server.url}/health")
    return [answer.json()["replicas"][str(i)] for i in range(2)]


def pids(server: Any) -> dict[int, int]:
    """The process of each replica that runs, by its number."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == server.process.pid and b"hub_runtime.server._replica" in words:
            found[int(words[-2])] = int(entry.name)
    return found


def made(start: Callable[..., Any], tiny: Path) -> Any:
    if not Path("/proc/self/stat").exists():
        pytest.skip("processes are found in /proc, which is not here")
    server = start(tiny, "--threads", 1, "--replicas", 2, "--queue", 60, ready=False)
    server.until(lambda: states(server) == ["ready", "ready"])
    return server


@pytest.fixture
def own(start: Callable[..., Any], tiny: Path) -> Any:
    """Two replicas for one test."""
    return made(start, tiny)


@pytest.fixture(scope="module")
def fleet(start_for_all: Callable[..., Any], tiny: Path) -> Any:
    """Two replicas for all tests that leave two."""
    return made(start_for_all, tiny)


def test_requests_go_round_and_through(fleet: Any, connect: Callable[..., Any]) -> None:
    with connect(fleet) as client:
        assert [m.id for m in client.models.list().data] == ["tiny"]
        asked = {"model": "tiny", "prompt": "Once", "max_tokens": 8, "temperature": 0}
        texts = {client.completions.create(**asked).choices[0].text for _ in range(4)}
        streamed = "".join(c.choices[0].text for c in client.completions.create(**asked, stream=True))
    assert texts == {streamed}
    lines = [line.rsplit(" ", 1) for line in httpx.get(f"{fleet.url}/metrics").text.splitlines()]
    counts = {name: float(value) for name, value in lines if name.startswith("hub_generated_tokens_total{")}
    assert len(counts) == 2
    assert [line["mmap"] for line in list(fleet.lines) if line["event"] == "model_ready"][:2] == [True, True]
    assert min(counts.values()) >= 16  # of five requests each had two or more
    refused = httpx.post(f"{fleet.url}/v1/completions", json={"prompt": "x", "n": 0}, headers={"X-Request-Id": "r-1"})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "n"
    assert refused.headers.get_list("x-request-id") == ["r-1"]
    assert httpx.get(f"{fleet.url}/nothing").status_code == 404
    fleet.until(lambda: sum(line.get("request_id") == "r-1" for line in list(fleet.lines)) == 2)


def test_one_that_is_killed_is_replaced_and_its_streams_end_with_an_error(fleet: Any) -> None:
    before = pids(fleet)
    with httpx.stream("POST", f"{fleet.url}/v1/completions", json=MANY, timeout=60) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        assert first
        busy = {n for n in before if f'hub_slots_active{{replica="{n}",model="tiny"}} 0.0' not in metrics(fleet)}
        (victim,) = busy
        os.kill(before[victim], signal.SIGKILL)
        rest = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert rest[-1]["error"]["code"] == "replica_lost"
    for _ in range(4):  # the other one goes on alone
        assert httpx.post(f"{fleet.url}/v1/completions", json={"prompt": "x", "max_tokens": 1}).status_code == 200
    fleet.until(lambda: states(fleet) == ["ready", "ready"])
    after = pids(fleet)
    assert after.keys() == before.keys()
    assert after[victim] != before[victim]
    assert after[1 - victim] == before[1 - victim]
    assert fleet.metric("hub_replica_restarts_total") == 1


def metrics(server: Any) -> str:
    return httpx.get(f"{server.url}/metrics").text


def test_a_client_that_leaves_frees_its_slots_behind_the_front(fleet: Any) -> None:
    before = [fleet.metric(name) for name in ("hub_generations_cancelled_total", "hub_generated_tokens_total")]
    with httpx.stream("POST", f"{fleet.url}/v1/completions", json=MANY, timeout=60) as answer:
        next(answer.iter_lines())
    fleet.until(lambda: fleet.metric("hub_generations_cancelled_total") > before[0])
    fleet.until(lambda: fleet.metric("hub_slots_active") == fleet.metric("hub_queue_depth") == 0)
    assert fleet.metric("hub_generated_tokens_total") - before[1] < 32 * 480 / 2


def test_sigterm_drains_all(own: Any) -> None:
    children = pids(own)
    with httpx.stream("POST", f"{own.url}/v1/completions", json={**MANY, "n": 8}, timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        own.process.send_signal(signal.SIGTERM)
        own.wait_for("draining")
        assert httpx.post(f"{own.url}/v1/completions", json={"prompt": "x"}).status_code == 503
        assert "data: [DONE]" in list(lines)
    assert own.process.wait(60) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())


def test_replicas_end_when_their_parent_is_killed(own: Any) -> None:
    children = pids(own)
    own.process.kill()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in children.values()):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_model_that_does_not_load_ends_the_server(start: Callable[..., Any], tmp_path: Path) -> None:
    server = start(tmp_path / "none.gguf", "--replicas", 2, ready=False)
    assert server.process.wait(60) == 2
    assert "none.gguf" in "".join(server.other)


def test_metrics_of_several_are_one_text() -> None:
    one = '# HELP a_total A\n# TYPE a_total counter\na_total{model="x y"} 1.0\n# HELP b B\n# TYPE b gauge\nb 2.0\n'
    both = merged({"0": one, "1": one})
    assert both.count("# TYPE a_total counter") == 1
    assert 'a_total{replica="1",model="x y"} 1.0' in both
    parser = pytest.importorskip("prometheus_client.parser")
    families = list(parser.text_string_to_metric_families(both))
    assert sorted(len(f.samples) for f in families) == [2, 2]
