"""Continuous batching."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.errors import HubError, UnsupportedFile, UsageError
from hub_runtime.engine import Generation, LoadedModel, PromptTooLong, Request, Settings, Slots, generate, generate_all

CTX = 512


def request(text: str, count: int | None = 12, **settings: object) -> Request:
    return Request(list(text.encode()), Settings(**settings), count)  # type: ignore[arg-type]


def answers(slots: Slots, requests: list[Request]) -> dict[int, Generation]:
    return {number: generation for number, generation, _ in generate_all(slots, requests)}


@pytest.fixture
def reusing(model: LoadedModel) -> Iterator[Slots]:
    with model.context(CTX, sequences=2, threads=1) as context:
        yield Slots(context, reuse=True)


def test_many_requests_get_the_answers_each_would_get_alone(slots: Slots) -> None:
    requests = [request(f"prompt number {n} {'x' * n}", 5 + n) for n in range(8)]
    alone = ["".join(t.text for t in generate(slots, r)) for r in requests]
    together = answers(slots, requests)
    assert [together[n].text for n in range(8)] == alone
    assert [len(together[n].tokens) for n in range(8)] == [5 + n for n in range(8)]
    assert slots.free == 3


def test_a_long_prompt_is_read_in_pieces_while_others_go_on(model: LoadedModel) -> None:
    with model.context(CTX, sequences=2, threads=1, batch=32) as context:
        slots = Slots(context)
        quick = slots.add(request("quick", 20))
        slots.step()
        slow = slots.add(request("s" * 300, 3))
        while slow.finish is None:
            slots.step()
        assert len(quick.tokens) > 8
        assert slow.counters.prompt_tokens == 300
    with model.context(CTX, threads=1) as context:
        assert "".join(t.text for t in generate(Slots(context), request("s" * 300, 3))) == slow.text


def test_a_cancelled_request_leaves_its_slot_and_nobody_else_s(slots: Slots) -> None:
    first, second = slots.add(request("first", 30)), slots.add(request("second", 30))
    slots.step()
    slots.cancel(first)
    assert (first.finish, slots.free) == ("cancelled", 2)
    while second.finish is None:
        slots.step()
    assert second.text == "".join(t.text for t in generate(slots, request("second", 30)))
    finish = second.finish
    slots.cancel(second)
    assert second.finish == finish != "cancelled"


def test_leaving_the_loop_early_frees_the_slot(slots: Slots) -> None:
    for _ in generate(slots, request("leave", None)):
        break
    assert slots.free == 3


def test_an_answer_ends_where_the_context_ends(model: LoadedModel) -> None:
    with model.context(256, threads=1) as context:
        slots = Slots(context)
        generation = slots.add(request("x" * 200, None, logit_bias={257: -1000.0}))
        while generation.finish is None:
            slots.step()
        assert generation.finish == "length"
        assert len(generation.tokens) == 256 - 200
        with pytest.raises(PromptTooLong) as error:
            slots.add(request("x" * 256))
        assert (error.value.tokens, error.value.limit) == (256, 256)


def test_the_end_token_ends_an_answer_and_is_not_in_it(slots: Slots) -> None:
    generation = slots.add(request("end", 50, logit_bias={257: 1000.0}))
    ((_, token),) = slots.step()
    assert (generation.finish, generation.tokens, generation.text) == ("stop", [], "")
    assert (token.id, token.piece, token.text) == (257, b"", "")
    assert generation.counters.generated_tokens == 1


def test_a_stop_string_ends_an_answer(slots: Slots) -> None:
    text = "".join(t.text for t in generate(slots, request("stop here", 30)))
    stop = text[10:13]
    generation = slots.add(Request(list(b"stop here"), Settings(), 30, (stop,)))
    while generation.finish is None:
        slots.step()
    assert (generation.finish, generation.stopped) == ("stop", stop)
    assert generation.text == text[: text.index(stop)]


def test_what_was_computed_is_used_again(reusing: Slots) -> None:
    begin = "a shared beginning of several prompts: "
    first = answers(reusing, [request(begin + "one")])[0]
    second = answers(reusing, [request(begin + "two")])[0]
    assert (first.counters.cached_tokens, second.counters.cached_tokens) == (0, len(begin))
    same = answers(reusing, [request(begin + "two")])[0]
    assert same.text == second.text
    assert same.counters.cached_tokens == same.counters.prompt_tokens - 1


def test_a_beginning_that_another_request_computes_is_shared(reusing: Slots) -> None:
    begin = "a shared beginning of several prompts: "
    first = reusing.add(request(begin + "one", 40))
    reusing.step()
    second = reusing.add(request(begin + "two", 40))
    assert second.counters.cached_tokens == len(begin)
    while reusing.active:
        reusing.step()
    fresh = answers(reusing, [request("something else")])[0]
    assert fresh.finish == "length"
    for generation, word in ((first, "one"), (second, "two")):
        reusing.reset()
        assert generation.text == "".join(t.text for t in generate(reusing, request(begin + word, 40)))


def test_a_failure_ends_its_own_generation_alone(slots: Slots) -> None:
    good = [slots.add(request(word, 20)) for word in ("one", "two")]
    bad = slots.add(request("bad", 20, grammar='root ::= "a" "\\U7FFFFFFF"'))
    while slots.active:
        slots.step()
    assert bad.finish == "failed"
    assert bad.failure is not None
    assert "grammar allows none" in bad.failure.message
    for generation, word in zip(good, ("one", "two"), strict=True):
        assert generation.finish == "length"
        assert generation.text == "".join(t.text for t in generate(slots, request(word, 20)))
    with pytest.raises(HubError, match="grammar allows none"):
        list(generate_all(slots, [request("good"), bad.request]))
    assert slots.free == 3


def test_a_prompt_is_scored_as_if_it_were_generated(slots: Slots) -> None:
    generation = slots.add(request("score", 6, top_logprobs=2))
    tokens = []
    while generation.finish is None:
        tokens += [token for _, token in slots.step()]
    whole = Request([*b"score", *generation.tokens], Settings(top_logprobs=2), 1, score_prompt=True)
    scored = slots.add(whole)
    slots.step()
    assert [t.id for t in scored.prompt_scores] == whole.prompt[1:]
    for known, seen in zip(tokens, scored.prompt_scores[4:], strict=True):
        assert (known.id, known.piece) == (seen.id, seen.piece)
        assert seen.logprob == pytest.approx(known.logprob, abs=1e-3)
        assert [a.id for a in seen.top] == [a.id for a in known.top]


def test_counters_add_up(slots: Slots) -> None:
    generation = answers(slots, [request("count", 10)])[0]
    counters = generation.counters
    assert (counters.prompt_tokens, counters.generated_tokens) == (5, 10)
    assert counters.time_to_first_token is not None
    assert counters.time_to_first_token + counters.generation_seconds == pytest.approx(counters.seconds)
    assert counters.tokens_per_second == pytest.approx(9 / counters.generation_seconds)


def test_requests_that_cannot_be_answered_are_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        Request([])
    with pytest.raises(UsageError, match="max_tokens"):
        Request([1], max_tokens=0)


def test_a_full_house_is_said(slots: Slots) -> None:
    for _ in range(3):
        slots.add(request("busy"))
    with pytest.raises(RuntimeError, match="in use"):
        slots.add(request("one more"))


def test_a_context_for_embeddings_does_not_generate(model: LoadedModel) -> None:
    with model.context(64, threads=1, embeddings=True) as context, pytest.raises(UnsupportedFile):
        Slots(context)
