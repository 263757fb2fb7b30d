import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub_runtime.engine import huge_pages

openai: Any = pytest.importorskip("openai", reason="OpenAI's client is not installed")


def test_models_are_listed_and_found(client: Any) -> None:
    listed = client.models.list().data
    assert [m.id for m in listed] == ["tiny"]
    assert client.models.retrieve("tiny") == listed[0]
    assert listed[0].object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("some/other")
    with pytest.raises(openai.NotFoundError) as caught:
        client.completions.create(model="other", prompt="x")
    assert caught.value.code == "model_not_found"


def test_health_says_ok(server: Any) -> None:
    for path in ("health", "health/live", "health/ready"):
        answer = httpx.get(f"{server.url}/{path}")
        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"
    assert httpx.get(f"{server.url}/health").json()["models"] == {"tiny": "ready"}


def test_metrics_count_what_was_done(server: Any, client: Any) -> None:
    names = ("hub_generated_tokens_total", "hub_time_to_first_token_seconds_count", "hub_inter_token_seconds_count",
             "hub_prompt_tokens_total")  # fmt: skip
    before = [server.metric(name) for name in names]
    client.completions.create(model="tiny", prompt="Once", max_tokens=5, temperature=0, logit_bias={"257": -100})
    after = [server.metric(name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [5, 1, 4, 4]
    assert server.metric("hub_slots") == 4
    assert server.metric("hub_queue_depth") == 0
    assert 0 < server.metric("hub_kv_tokens") <= server.metric("hub_kv_capacity_tokens")
    parser = pytest.importorskip("prometheus_client.parser")
    text = httpx.get(f"{server.url}/metrics").text
    families = {f.name for f in parser.text_string_to_metric_families(text)}
    assert {"hub_requests", "hub_queue_seconds", "hub_engine_busy_seconds"} <= families


def test_paths_that_are_not_there_make_no_new_series(server: Any) -> None:
    for number in range(3):
        answer = httpx.get(f"{server.url}/nothing/{number}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
    wrong = httpx.get(f"{server.url}/v1/completions")
    assert wrong.status_code == 405
    assert wrong.json()["error"]["type"] == "invalid_request_error"
    assert "nothing" not in httpx.get(f"{server.url}/metrics").text


def test_a_request_keeps_its_id_in_answer_and_log(server: Any) -> None:
    given = httpx.get(f"{server.url}/health", headers={"X-Request-Id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    server.until(lambda: any(line.get("request_id") == "mine-1" for line in list(server.lines)))
    for bad in ("a" * 200, "two words"):
        made = httpx.get(f"{server.url}/health", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_the_log_tells_what_was_loaded(server: Any, tiny: Path) -> None:
    line = server.wait_for("model_ready")
    assert (line["model"], line["layers"], line["embedding"], line["context"]) == ("tiny", 2, 32, 512)
    assert line["mmap"] is not huge_pages()
    assert server.wait_for("model_loading")["path"] == str(tiny)
    assert server.other == []


def test_a_key_opens_and_nothing_else_does(
    start: Callable[..., Any], connect: Callable[..., Any], tiny: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# ours\nsesame\n\nsecond key\n")
    server = start(tiny, "--threads", 1, "--api-key-file", keys)
    for key in ("sesame", "second key"):
        with connect(server, key) as client:
            assert client.models.list().data
    for key in ("Sesame", "sesam", "# ours", "x"):
        with connect(server, key) as client, pytest.raises(openai.AuthenticationError) as caught:
            client.completions.create(model="tiny", prompt="x")
        assert caught.value.code == "invalid_api_key"
    for headers in ({}, {"Authorization": "sesame"}, {"Authorization": "Basic sesame"}):
        refused = httpx.get(f"{server.url}/v1/models", headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert httpx.get(f"{server.url}/metrics", headers=headers).status_code == 401
    assert httpx.get(f"{server.url}/health").status_code == 200
    assert "sesame" not in str(server.lines)


def test_every_format_is_served_with_the_same_words(
    start: Callable[..., Any], connect: Callable[..., Any], tiny: Path, tiny_apr: Path, tmp_path: Path, hub: Any
) -> None:
    folder = tmp_path / "folder"
    assert hub("convert", tiny, folder, "--to", "safetensors").code == 0
    gguf = tmp_path / "original.gguf"
    gguf.write_bytes(tiny.read_bytes())
    apr = tmp_path / "packed.apr"
    apr.write_bytes(tiny_apr.read_bytes())
    server = start(gguf, apr, folder, "--threads", 1, "--parallel", 1)
    with connect(server) as client:
        assert [m.id for m in client.models.list().data] == ["original", "packed", "folder"]
        texts = {
            client.completions.create(model=name, prompt="Once", max_tokens=20, temperature=0).choices[0].text
            for name in ("original", "packed", "folder")
        }
    assert len(texts) == 1
