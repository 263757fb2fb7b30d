import json
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.errors import UsageError
from hub_runtime.server import config_of, serve
from hub_runtime.server._serve import listening

LONG = {"prompt": "Once", "max_tokens": 400, "n": 24, "temperature": 0, "logit_bias": {"257": -100}}


def events(lines: Any) -> list[Any]:
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def test_sigterm_lets_a_stream_end_and_takes_nothing_new(start: Callable[..., Any], tiny: Path) -> None:
    server = start(tiny, "--threads", 1, "--parallel", 2)
    with httpx.stream("POST", f"{server.url}/v1/completions", json={**LONG, "stream": True}, timeout=60) as answer:
        lines = answer.iter_lines()
        got = [next(lines)]
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        refused = httpx.post(f"{server.url}/v1/completions", json={"prompt": "x"})
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        ready = httpx.get(f"{server.url}/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "stopping")
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        got += list(lines)
    assert "data: [DONE]" in got
    reasons = [e["choices"][0]["finish_reason"] for e in events(got) if e["choices"]]
    assert sum(reason == "length" for reason in reasons) == 24
    assert server.process.wait(60) == 0


def test_time_up_ends_the_rest_with_an_error(start: Callable[..., Any], tiny: Path) -> None:
    server = start(tiny, "--threads", 1, "--parallel", 1, "--queue", 63, "--drain-timeout", 0)
    body = {**LONG, "n": 64, "stream": True}
    with httpx.stream("POST", f"{server.url}/v1/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        rest = list(lines)
    assert events(rest)[-1]["error"]["code"] == "unavailable"
    assert "data: [DONE]" not in rest
    assert server.process.wait(60) == 0


def test_a_second_signal_hurries(start: Callable[..., Any], tiny: Path) -> None:
    server = start(tiny, "--threads", 1, "--parallel", 1, "--queue", 63)
    body = {**LONG, "n": 64, "stream": True}
    with httpx.stream("POST", f"{server.url}/v1/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()  # letting go of it would end the connection
        next(lines)
        server.process.send_signal(signal.SIGINT)
        server.wait_for("draining")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 130


def test_a_model_that_does_not_load_ends_the_server(start: Callable[..., Any], tiny: Path, tmp_path: Path) -> None:
    whole = tiny.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: len(whole) // 2])
    for path in (cut, tmp_path / "none.gguf"):
        server = start(path, ready=False)
        assert server.process.wait(60) == 2
        server.stop()
        assert path.name in "".join(server.other)
        assert len(server.other) == 1


def test_a_port_in_use_is_told(server: Any, tiny: Path) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"port {port}"):
        serve(config_of({"models": [tiny], "port": port}, None))
    with pytest.raises(UsageError, match=r"no\.such\.host"):
        serve(config_of({"models": [tiny], "host": "no.such.host.invalid"}, None))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_answers_go_out_without_delay(host: str) -> None:
    try:
        listener = listening(config_of({"models": [Path("x")], "host": host, "port": 0}, None))
    except UsageError:
        pytest.skip(f"{host} is not here")
    with listener, socket.create_connection(listener.getsockname()[:2]):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP  # what asyncio asks before it sets TCP_NODELAY


def test_a_model_that_is_still_loading_is_no_refusal_for_ever(start: Callable[..., Any], tiny: Path) -> None:
    server = start(tiny, "--threads", 1, ready=False)
    url = server.url
    seen = set()

    def ask() -> bool:
        answer = httpx.post(f"{url}/v1/completions", json={"prompt": "x", "max_tokens": 1})
        seen.add(answer.status_code)
        return answer.status_code == 200

    server.until(ask)
    assert seen <= {200, 503}
    assert threading.active_count() < 50
