import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub_runtime.engine import LoadedModel, Request, Settings, Slots, generate, load, log_probabilities

openai: Any = pytest.importorskip("openai", reason="OpenAI's client is not installed")

EOS = "257"
LONG = {EOS: -100}  # so that the random model does not end early


def alone(slots: Slots, prompt: list[int], count: int, **settings: Any) -> str:
    """What the engine itself generates, one request at a time."""
    request = Request(prompt, Settings(**settings), count)
    return "".join(token.text for token in generate(slots, request))


def test_greedy_text_is_the_engines(client: Any, model: LoadedModel, slots: Slots) -> None:
    for prompt in ("Once", "The sea", "x"):
        got = client.completions.create(model="tiny", prompt=prompt, max_tokens=24, temperature=0, logit_bias=LONG)
        wanted = alone(slots, model.vocab.tokenize(prompt), 24, logit_bias={257: -100.0})
        assert got.choices[0].text == wanted
        assert got.usage.prompt_tokens == len(model.vocab.tokenize(prompt))
        assert got.usage.completion_tokens == 24
        assert got.choices[0].finish_reason == "length"


def test_a_stream_says_the_same(client: Any) -> None:
    asked = {"model": "tiny", "prompt": "Once", "max_tokens": 24, "temperature": 0}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole.choices[0].text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert all(c.usage is None for c in chunks[:-1])
    assert len({c.id for c in chunks}) == 1


def test_several_prompts_and_choices_have_their_places(client: Any) -> None:
    prompts = ["Once", "The sea", "x"]
    together = client.completions.create(model="tiny", prompt=prompts, n=2, max_tokens=8, temperature=0)
    apart = [client.completions.create(model="tiny", prompt=p, max_tokens=8, temperature=0) for p in prompts]
    assert [c.index for c in together.choices] == list(range(6))
    assert [c.text for c in together.choices] == [one.choices[0].text for one in apart for _ in range(2)]
    assert together.usage.prompt_tokens == sum(one.usage.prompt_tokens for one in apart)


def test_token_ids_are_prompts_too(client: Any, model: LoadedModel) -> None:
    tokens = model.vocab.tokenize("The sea")
    asked = {"model": "tiny", "max_tokens": 8, "temperature": 0}
    text = client.completions.create(prompt="The sea", **asked).choices[0].text
    assert client.completions.create(prompt=tokens, **asked).choices[0].text == text
    assert [c.text for c in client.completions.create(prompt=[tokens, tokens], **asked).choices] == [text, text]


def test_choices_of_a_seed_differ_and_repeat(client: Any) -> None:
    asked = {"model": "tiny", "prompt": "Once", "n": 3, "max_tokens": 16, "temperature": 1.5, "seed": 11}
    first, second = (client.completions.create(**asked) for _ in range(2))
    texts = [c.text for c in first.choices]
    assert len(set(texts)) == 3
    assert [c.text for c in second.choices] == texts
    other = client.completions.create(**{**asked, "seed": 12})
    assert [c.text for c in other.choices] != texts


def test_the_best_of_several_are_told(client: Any) -> None:
    asked = {"model": "tiny", "prompt": ["Once", "The sea"], "max_tokens": 12, "temperature": 1.5, "seed": 5}
    every = client.completions.create(**asked, n=6, logprobs=0)
    found = client.completions.create(**asked, n=2, best_of=6)
    likely = [sum(c.logprobs.token_logprobs) / len(c.logprobs.token_logprobs) for c in every.choices]
    ranked = [sorted(range(i, i + 6), key=lambda n: -likely[n])[:2] for i in (0, 6)]
    assert [c.text for c in found.choices] == [every.choices[n].text for n in (*ranked[0], *ranked[1])]
    assert [c.index for c in found.choices] == [0, 1, 2, 3]
    assert found.usage.completion_tokens == every.usage.completion_tokens, "all that was generated counts"
    assert all(c.logprobs is None for c in found.choices)
    same = client.completions.create(**asked, n=2, best_of=2)
    assert [c.text for c in same.choices] == [every.choices[n].text for n in (0, 1, 6, 7)]


def test_a_suffix_is_filled_up_to(make_tiny: Callable[..., Path], tmp_path: Path, serving: Callable[..., Any]) -> None:
    path = make_tiny(tmp_path / "middle.gguf", middle=(258, 259, 260))
    asked = {"model": "middle", "max_tokens": 9, "temperature": 0, "logit_bias": LONG}
    with serving(path, "--threads", 1) as client:
        found = client.completions.create(prompt="def f(", suffix="return x", **asked)
        with load(path, gpu_layers=0) as model:
            tokens = model.vocab.tokenize("def f(")
            behind = model.vocab.tokenize("return x", add_special=False)
            assert model.vocab.around(tokens, behind) == [258, *tokens, 259, *behind, 260]
        wanted = client.completions.create(prompt=[258, *tokens, 259, *behind, 260], **asked)
    assert found.choices[0].text == wanted.choices[0].text
    assert found.usage.prompt_tokens == len(tokens) + len(behind) + 3


def test_logprobs_are_of_the_distribution(client: Any, model: LoadedModel, slots: Slots) -> None:
    asked = {"model": "tiny", "prompt": "Once", "max_tokens": 6, "temperature": 0, "logprobs": 3, "logit_bias": LONG}
    found = client.completions.create(**asked).choices[0].logprobs
    settings = Settings(top_logprobs=3, logit_bias={257: -100.0})
    tokens = list(generate(slots, Request(model.vocab.tokenize("Once"), settings, 6)))
    assert found.token_logprobs == pytest.approx([t.logprob for t in tokens], abs=1e-4)
    for own, best in zip(found.token_logprobs, found.top_logprobs, strict=True):
        assert len(best) <= 3
        assert list(best.values()) == sorted(best.values(), reverse=True)
        assert sum(map(math.exp, best.values())) <= 1 + 1e-6
        assert own <= max(best.values()) + 1e-6
    chunks = list(client.completions.create(**asked, stream=True))
    streamed = [p for c in chunks if c.choices and c.choices[0].logprobs for p in c.choices[0].logprobs.token_logprobs]
    assert streamed == pytest.approx(found.token_logprobs, abs=1e-4)
    offsets = [o for c in chunks if c.choices and c.choices[0].logprobs for o in c.choices[0].logprobs.text_offset]
    assert offsets == found.text_offset


def test_the_prompt_is_scored_when_it_is_echoed(client: Any, model: LoadedModel) -> None:
    asked = {"model": "tiny", "prompt": "The sea", "max_tokens": 1, "temperature": 0, "logprobs": 1}
    found = client.completions.create(**asked, echo=True).choices[0]
    tokens = model.vocab.tokenize("The sea")
    with model.context(64, threads=1) as context:
        batch = context.batch()
        batch.add(tokens, 0, 0, logits=True)
        context.decode(batch)
        wanted = [float(log_probabilities(context.logits(i))[t]) for i, t in enumerate(tokens[1:])]
    assert found.logprobs.token_logprobs[0] is None
    assert found.logprobs.token_logprobs[1 : len(tokens)] == pytest.approx(wanted, abs=1e-3)
    assert len(found.logprobs.tokens) == len(tokens) + 1
    assert "".join(found.logprobs.tokens[:-1]) == "The sea"
    for token, offset in zip(found.logprobs.tokens[:-1], found.logprobs.text_offset[:-1], strict=True):
        assert found.text[offset : offset + len(token)] == token


def test_stop_ends_the_text_before_it(client: Any) -> None:
    asked = {"model": "tiny", "prompt": "Once", "max_tokens": 40, "temperature": 0, "logit_bias": LONG}
    text = client.completions.create(**asked).choices[0].text
    stop = text[5:8]
    cut = client.completions.create(**asked, stop=["never to be seen", stop]).choices[0]
    assert cut.text == text[: text.index(stop)]
    assert cut.finish_reason == "stop"
    assert client.completions.create(**asked, stop=stop).choices[0].text == cut.text


def test_bias_and_penalties_count(client: Any) -> None:
    asked = {"model": "tiny", "prompt": "Once", "max_tokens": 24, "temperature": 0}
    a = client.completions.create(**asked, logit_bias={"65": 100}).choices[0].text
    assert a == client.completions.create(**asked, logit_bias={"65": 100}).choices[0].text
    assert len(set(a)) == 1
    for penalty in ("presence_penalty", "frequency_penalty"):
        varied = client.completions.create(**asked, logit_bias={"65": 3}, **{penalty: 2}).choices[0].text
        plain = client.completions.create(**asked, logit_bias={"65": 3}).choices[0].text
        assert varied != plain


def test_echo_gives_the_prompt_back(client: Any) -> None:
    asked = {"model": "tiny", "prompt": "The sea", "temperature": 0}
    plain = client.completions.create(**asked, max_tokens=4).choices[0].text
    assert client.completions.create(**asked, max_tokens=4, echo=True).choices[0].text == "The sea" + plain
    chunks = client.completions.create(**asked, max_tokens=4, echo=True, stream=True)
    assert "".join(c.choices[0].text for c in chunks) == "The sea" + plain
    only = client.completions.create(**asked, max_tokens=0, echo=True)
    assert only.choices[0].text == "The sea"
    assert only.usage.completion_tokens == 0


def test_the_model_may_be_left_out_and_the_type_too(server: Any) -> None:
    answer = httpx.post(f"{server.url}/v1/completions", content=b'{"prompt": "Once", "max_tokens": 2, "unknown": 1}')
    assert answer.status_code == 200
    assert answer.json()["model"] == "tiny"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [10**6]}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": "x", "temperature": -1}, "temperature"),
        ({"prompt": "x", "temperature": "hot"}, "temperature"),
        ({"prompt": "x", "n": 0}, "n"),
        ({"prompt": "x", "n": 128}, "n"),  # more than this server holds
        ({"prompt": "x", "stop": ""}, "stop"),
        ({"prompt": "x", "suffix": "y"}, "suffix"),
        ({"prompt": "x", "suffix": "y", "echo": True}, "suffix"),
        ({"prompt": "x", "best_of": 1, "n": 2}, "best_of"),
        ({"prompt": "x", "best_of": 3, "stream": True}, "best_of"),
        ({"prompt": "x", "best_of": 128}, "n"),  # more than this server holds
        ({"prompt": "x", "echo": True, "logprobs": 1, "stream": True}, "logprobs"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "logit_bias": {"999999": 1}}, "logit_bias"),
        ({"prompt": "x", "logit_bias": {"no": 1}}, "logit_bias"),
        ({"prompt": "x", "stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_what_cannot_be_is_refused_by_name(server: Any, body: dict[str, Any], param: str) -> None:
    answer = httpx.post(f"{server.url}/v1/completions", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert error["message"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_refused(server: Any, content: bytes) -> None:
    answer = httpx.post(f"{server.url}/v1/completions", content=content)
    assert answer.status_code == 400
    assert json.loads(answer.content)["error"]["type"] == "invalid_request_error"


def test_a_body_without_end_is_cut_off(server: Any) -> None:
    answer = httpx.post(f"{server.url}/v1/completions", content=(b" " * (1 << 20) for _ in range(18)))
    assert answer.status_code == 413


def test_an_over_long_prompt_is_told_in_openais_words(client: Any) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            client.completions.create(model="tiny", prompt="x" * 600, stream=stream)
        assert caught.value.code == "context_length_exceeded"
        assert caught.value.param == "prompt"


def test_a_grammar_that_is_none_hurts_nobody_else(client: Any) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError):
            client.completions.create(model="tiny", prompt="x", stream=stream, extra_body={"grammar": "root ::= ("})
    kept = client.completions.create(model="tiny", prompt="x", max_tokens=9, extra_body={"grammar": 'root ::= "yes"'})
    assert kept.choices[0].text == "yes"
    assert kept.choices[0].finish_reason == "stop"


def test_a_request_without_any_allowed_token_fails_alone(server: Any, client: Any) -> None:
    unwritable = 'root ::= "a" "\\U7FFFFFFF"'  # no token is the beginning of such a character
    asked = {"prompt": "x", "max_tokens": 300, "logit_bias": LONG, "n": 3, "temperature": 0}
    with httpx.stream("POST", f"{server.url}/v1/completions", json={**asked, "stream": True}, timeout=60) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        with pytest.raises(openai.APIStatusError) as caught:
            client.completions.create(model="tiny", prompt="x", max_tokens=9, extra_body={"grammar": unwritable})
        got = [first, *lines]
    assert caught.value.status_code == 500
    assert "grammar" in caught.value.message
    assert "data: [DONE]" in got
