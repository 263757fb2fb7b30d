"""How tokens are chosen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.errors import HubError, UsageError
from hub_runtime.engine import LoadedModel, Request, Sampler, Settings, Slots, generate, load, log_probabilities

PROMPT = list(b"The tiny model says")
SCHEMA = json.dumps({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]})


def said(slots: Slots, **settings: Any) -> str:
    return "".join(t.text for t in generate(slots, Request(PROMPT, Settings(**settings), 24)))


def chosen(model: LoadedModel, logits: NDArray[np.float32], *accepted: int, **settings: Any) -> int:
    sampler = Sampler(model.vocab, Settings(**settings))
    try:
        for token in accepted:
            sampler.accept(token)
        return sampler.sample(logits)
    finally:
        sampler.close()


@pytest.fixture
def logits() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=262).astype(np.float32)


def test_temperature_zero_takes_the_likeliest(model: LoadedModel, logits: NDArray[np.float32]) -> None:
    best = int(logits.argmax())
    assert chosen(model, logits) == best
    assert chosen(model, logits, temperature=1.0, top_k=1) == best
    assert chosen(model, logits, temperature=5.0, top_p=0.0) == best
    assert chosen(model, logits, temperature=5.0, top_k=0, top_p=1.0, min_p=1.0) == best


def test_a_seed_repeats_and_another_differs(slots: Slots) -> None:
    hot = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    assert said(slots, seed=7, **hot) == said(slots, seed=7, **hot)
    assert len({said(slots, seed=seed, **hot) for seed in range(4)}) == 4
    assert said(slots, **hot) != said(slots, **hot)


def test_draws_follow_the_probabilities(model: LoadedModel) -> None:
    logits = np.full(262, -np.inf, np.float32)
    logits[[5, 6]] = np.log([0.25, 0.75])
    sampler = Sampler(model.vocab, Settings(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, seed=1))
    draws = [sampler.sample(logits) for _ in range(4000)]
    sampler.close()
    assert set(draws) == {5, 6}
    assert abs(draws.count(6) / 4000 - 0.75) < 0.03


def test_penalties_weaken_what_was_said(model: LoadedModel) -> None:
    logits = np.zeros(262, np.float32)
    logits[3], logits[4] = 2.0, 1.9
    assert chosen(model, logits, 3) == 3
    assert chosen(model, logits, 3, repeat_penalty=1.5) == 4
    assert chosen(model, logits, 3, presence_penalty=0.5) == 4
    assert chosen(model, logits, 3, frequency_penalty=0.5) == 4
    assert chosen(model, logits, 3, *range(10, 90), repeat_penalty=1.5) == 3, "farther back than the last 64"


def test_the_prompt_counts_for_the_repeat_penalty(slots: Slots) -> None:
    assert said(slots) != said(slots, repeat_penalty=3.0)


def test_a_bias_holds_beside_every_other_setting(model: LoadedModel, logits: NDArray[np.float32]) -> None:
    for other in ({}, {"temperature": 0.7, "seed": 1}, {"repeat_penalty": 1.3}):
        assert chosen(model, logits, logit_bias={9: 100.0}, **other) == 9


@pytest.mark.parametrize("heat", [0.0, 2.0])
def test_a_grammar_is_kept_to(slots: Slots, heat: float) -> None:
    text = said(slots, grammar='root ::= ("ab" | "cd")+ "!"', temperature=heat, seed=3)
    assert set(text) <= set("abcd!")
    assert text.replace("ab", "").replace("cd", "") in ("", "!", "a", "c")


def test_a_json_schema_is_kept_to(slots: Slots) -> None:
    document = json.loads("".join(t.text for t in generate(slots, Request(PROMPT, Settings(json_schema=SCHEMA), 200))))
    assert list(document) == ["ok"]
    assert isinstance(document["ok"], bool)


@pytest.mark.parametrize(
    "settings",
    [{"grammar": "root ::= ("}, {"grammar": "other ::= 'a'"}, {"grammar": ""}, {"grammar": "root ::= root"},
     {"json_schema": "{"}, {"json_schema": "[]"}, {"json_schema": '{"$ref": "#/nowhere"}'},
     {"json_schema": '{"anyOf": [{"type": "array", "minItems": 1000000000}]}'},
     {"json_schema": '{"type": "string", "pattern": "^a{1,2000000000}$"}'}],
)  # fmt: skip
def test_a_grammar_or_schema_that_is_none_is_refused_and_the_slots_go_on(
    slots: Slots, settings: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        slots.add(Request(PROMPT, Settings(**settings)))  # type: ignore[arg-type]
    assert slots.free == 3
    assert said(slots)


@pytest.mark.parametrize(
    "settings",
    [{"temperature": -1.0}, {"temperature": float("nan")}, {"top_p": 1.5}, {"min_p": -0.1}, {"top_k": -1}, {"seed": -1},
     {"seed": 2**32}, {"repeat_penalty": 0.0}, {"repeat_last_n": -1}, {"grammar": "root ::= 'a'", "json_schema": "{}"}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**settings)


def test_log_probabilities_are_those_of_the_softmax(slots: Slots, logits: NDArray[np.float32]) -> None:
    exact = logits.astype(np.float64) - np.log(np.exp(logits.astype(np.float64)).sum())
    assert np.allclose(log_probabilities(logits), exact, atol=1e-5)
    tokens = list(generate(slots, Request(PROMPT, Settings(top_logprobs=3), 5)))
    for token in tokens:
        assert token.top[0].id == token.id
        assert token.logprob == token.top[0].logprob >= token.top[1].logprob >= token.top[2].logprob
    without = list(generate(slots, Request(PROMPT, Settings(), 5)))
    assert [replace(t, logprob=None, top=()) for t in tokens] == without


@pytest.mark.usefixtures("llama")
def test_logits_that_are_not_finite_are_an_error_that_says_so(make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    path = make_tiny(tmp_path / "nan.gguf", scale=float("nan"))
    with load(path, gpu_layers=0) as broken, broken.context(64, threads=1) as context:
        slots = Slots(context)
        with pytest.raises(HubError, match="not finite"):
            said(slots)
        assert slots.free == 1
