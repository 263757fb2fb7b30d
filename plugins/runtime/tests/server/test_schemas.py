"""What the server says, held against the schemas in the package and against the types of OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

import hub_runtime
from hub_runtime.server import Config

openai: Any = pytest.importorskip("openai", reason="OpenAI's client is not installed")
SCHEMAS = Path(hub_runtime.__file__).parent / "schemas"
CHAT = {"messages": [{"role": "user", "content": "Once"}], "max_tokens": 3, "temperature": 0}
TEXT = {"prompt": "Once", "max_tokens": 3, "temperature": 0}


def fits(name: str, document: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(document)


@pytest.mark.parametrize(
    ("path", "schema"),
    [("/health", "health"), ("/health/ready", "health"), ("/health/live", "live"), ("/v1/models", "models"),
     ("/v1/models/tiny", "model"), ("/v1/models/none", "error"), ("/nothing", "error"), ("/v1/completions", "error")],
)  # fmt: skip
def test_what_is_asked_for_fits_its_schema(server: Any, path: str, schema: str) -> None:
    fits(schema, httpx.get(f"{server.url}{path}").json())


@pytest.mark.parametrize(
    "body", [{}, {"prompt": "x" * 600}, {"prompt": "x", "temperature": 9}, {"prompt": "x", "n": 128}]
)
def test_refusals_fit_their_schema(server: Any, body: dict[str, Any]) -> None:
    answer = httpx.post(f"{server.url}/v1/completions", json=body)
    assert answer.status_code == 400
    fits("error", answer.json())


def test_the_log_fits_its_schema(server: Any) -> None:
    httpx.get(f"{server.url}/nothing")
    for line in list(server.lines):
        fits("log", line)


def test_replicas_speak_the_same_way(start: Callable[..., Any], tiny: Path) -> None:
    server = start(tiny, "--threads", 1, "--replicas", 2, ready=False)
    server.until(lambda: httpx.get(f"{server.url}/health").status_code == 200)
    for path, schema in (("health", "health"), ("health/live", "live"), ("v1/models", "models"), ("nothing", "error")):
        fits(schema, httpx.get(f"{server.url}/{path}").json())


def test_the_configuration_has_the_schema_of_its_model() -> None:
    assert json.loads((SCHEMAS / "server-config.json").read_text(encoding="utf-8")) == Config.model_json_schema()


def events(url: str, path: str, body: dict[str, Any]) -> Iterator[Any]:
    with httpx.stream("POST", f"{url}{path}", json={**body, "stream": True}, timeout=60) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line[6:])


def test_answers_are_of_openais_types(server: Any) -> None:
    types = openai.types
    usage = {"stream_options": {"include_usage": True}}
    for path, body, whole, chunk in (
        ("/v1/completions", {**TEXT, "logprobs": 2}, types.Completion, types.Completion),
        ("/v1/chat/completions", {**CHAT, "logprobs": True, "top_logprobs": 2}, types.chat.ChatCompletion,
         types.chat.ChatCompletionChunk),
    ):  # fmt: skip
        whole.model_validate(httpx.post(f"{server.url}{path}", json=body).json())
        told = list(events(server.url, path, body | usage))
        # the client's type of a piece of text has no null for the reason why it ended, as OpenAI sends it
        late = [e for e in told if chunk is not whole or any(c["finish_reason"] for c in e["choices"])]
        assert [chunk.model_validate(event) for event in late]
    made = types.CreateEmbeddingResponse.model_validate(
        httpx.post(f"{server.url}/v1/embeddings", json={"input": "Once"}).json()
    )
    assert len(made.data) == 1


def test_the_types_tell_a_wrong_answer(server: Any) -> None:
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=CHAT).json()
    answer["choices"][0]["finish_reason"] = "no more words"
    with pytest.raises(ValueError, match="finish_reason"):
        openai.types.chat.ChatCompletion.model_validate(answer)
