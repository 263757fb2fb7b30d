import json
from typing import Any

import httpx
import pytest

from hub_runtime.engine import LoadedModel, Request, Settings, Slots, generate

openai: Any = pytest.importorskip("openai", reason="OpenAI's client is not installed")

ASK = [{"role": "user", "content": "Once"}]
LONG = {"257": -100}
PERSON = {
    "type": "object",
    "properties": {"name": {"enum": ["Ada", "Bob"]}, "old": {"type": "boolean"}},
    "required": ["name", "old"],
    "additionalProperties": False,
}


def test_the_answer_is_the_engines(client: Any, model: LoadedModel, slots: Slots) -> None:
    assert model.template is not None
    prompt = model.vocab.tokenize(model.template.render(ASK), add_special=False)
    wanted = "".join(t.text for t in generate(slots, Request(prompt, Settings(logit_bias={257: -100.0}), 16)))
    got = client.chat.completions.create(model="tiny", messages=ASK, max_tokens=16, temperature=0, logit_bias=LONG)
    assert got.choices[0].message.content == wanted
    assert got.choices[0].message.role == "assistant"
    assert got.choices[0].finish_reason == "length"
    assert got.usage.prompt_tokens == len(prompt)
    assert got.object == "chat.completion"


def test_a_stream_begins_with_the_role_and_ends_with_the_reason(client: Any) -> None:
    asked = {"model": "tiny", "messages": ASK, "max_completion_tokens": 16, "temperature": 0}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[0].choices[0].delta.content == ""
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == whole.choices[0].message.content
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert reasons[-1] == whole.choices[0].finish_reason
    assert set(reasons[:-1]) == {None}
    assert chunks[-1].usage == whole.usage or chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert not any(c.usage for c in client.chat.completions.create(**asked, stream=True))


def test_choices_stream_side_by_side(client: Any) -> None:
    asked = {"model": "tiny", "messages": ASK, "max_tokens": 12, "n": 3, "seed": 5, "temperature": 1.2}
    whole = client.chat.completions.create(**asked)
    texts = {0: "", 1: "", 2: ""}
    for chunk in client.chat.completions.create(**asked, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == {c.index: c.message.content for c in whole.choices}
    assert len(set(texts.values())) == 3


def test_logprobs_name_each_token(client: Any) -> None:
    asked = {"model": "tiny", "messages": ASK, "max_tokens": 6, "temperature": 0, "logprobs": True, "logit_bias": LONG}
    whole = client.chat.completions.create(**asked, top_logprobs=2).choices[0].logprobs.content
    assert len(whole) == 6
    for token in whole:
        assert len(token.top_logprobs) == 2
        assert token.logprob <= token.top_logprobs[0].logprob + 1e-6
        assert bytes(token.bytes).decode("utf-8", "replace") == token.token
    chunks = client.chat.completions.create(**asked, top_logprobs=2, stream=True)
    streamed = [t for c in chunks if c.choices[0].logprobs for t in c.choices[0].logprobs.content]
    assert [t.token for t in streamed] == [t.token for t in whole]
    assert client.chat.completions.create(**asked).choices[0].logprobs.content[0].top_logprobs == []


def test_a_schema_is_kept_to(client: Any) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    for seed in range(3):
        got = client.chat.completions.create(
            model="tiny", messages=ASK, response_format=form, seed=seed, temperature=1.5, max_tokens=200
        )
        found = json.loads(got.choices[0].message.content)
        assert found.keys() == {"name", "old"}
        assert found["name"] in ("Ada", "Bob")
        assert isinstance(found["old"], bool)
        assert got.choices[0].finish_reason == "stop"


def test_json_object_begins_an_object(client: Any) -> None:
    got = client.chat.completions.create(
        model="tiny", messages=ASK, response_format={"type": "json_object"}, max_tokens=20, temperature=0
    )
    assert got.choices[0].message.content.lstrip().startswith("{")


def test_the_clients_own_parsing_works(client: Any) -> None:
    pydantic = pytest.importorskip("pydantic")

    class Answer(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        old: bool

    got = client.chat.completions.parse(model="tiny", messages=ASK, response_format=Answer, temperature=0)
    assert got.choices[0].message.parsed.old in (True, False)


def test_content_in_parts_is_the_same_text(client: Any) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "On"}, {"type": "text", "text": "ce"}]}]
    asked = {"model": "tiny", "max_tokens": 8, "temperature": 0}
    whole = client.chat.completions.create(messages=ASK, **asked).choices[0].message.content
    assert client.chat.completions.create(messages=parts, **asked).choices[0].message.content == whole


def test_other_languages_libraries_send_more_and_are_heard(server: Any) -> None:
    body = {"messages": ASK, "max_tokens": 2, "user": "me", "metadata": {"a": "b"}, "store": False, "no_such": 1}
    assert httpx.post(f"{server.url}/v1/chat/completions", json=body).status_code == 200


TOOL = {"type": "function", "function": {"name": "f", "parameters": PERSON}}


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"store": True}, "store"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_completion_tokens"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"tools": [TOOL]}, "tools"),  # this template has none
        ({"tool_choice": "required"}, "tool_choice"),
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs"),
    ],
)
def test_what_cannot_be_is_refused_by_name(server: Any, more: dict[str, Any], param: str) -> None:
    answer = httpx.post(f"{server.url}/v1/chat/completions", json={"messages": ASK, "max_tokens": 4, **more})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("schema", [{"type": "nothing"}, {"$ref": "https://example.com/x"}, {"$ref": "#/none"}])
def test_a_schema_that_is_none_is_refused(client: Any, schema: dict[str, Any]) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="tiny", messages=ASK, response_format=form)
