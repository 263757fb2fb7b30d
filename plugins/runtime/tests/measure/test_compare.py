import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from hub.errors import HubError
from hub_runtime.engine import Request, Slots, generate, load
from hub_runtime.measure import divergence, forced, log_softmax
from hub_runtime.prompting import prompt_of

LOGITS = hnp.arrays(np.float32, (3, 6), elements=st.floats(-40, 40, width=32))


def softmax(logits: Any) -> Any:
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


@pytest.fixture(scope="session")
def sharper(edited: Any) -> Path:
    """A model that is surer of the same tokens most of the time."""
    return Path(edited("sharper", {"output.weight": lambda w: w * 1.3, "blk.1.ffn_up.weight": lambda w: w * 1.5}))


@given(LOGITS, LOGITS)
def test_divergence_is_what_its_definition_says(a: NDArray[np.float32], b: NDArray[np.float32]) -> None:
    p, q = softmax(a.astype(np.float64)), softmax(b.astype(np.float64))
    found = divergence(log_softmax(a), log_softmax(b))
    assert found == pytest.approx((p * np.log(p / q)).sum(1), rel=1e-6, abs=1e-9)
    assert (found >= 0).all()
    assert divergence(log_softmax(a), log_softmax(a)).tolist() == [0, 0, 0]


def test_tokens_that_cannot_come_count_nothing_and_those_only_we_expect_count_all() -> None:
    never = np.array([[0, 0, -np.inf]], np.float32)
    assert divergence(log_softmax(never), log_softmax(np.zeros((1, 3), np.float32))) == pytest.approx([np.log(1.5)])
    assert divergence(log_softmax(np.zeros((1, 3), np.float32)), log_softmax(never)) == [np.inf]


@pytest.mark.parametrize("start", [0, 5, 32, 40, 69])
def test_forced_gives_each_position_once(tiny: Path, numpy_llama: Any, start: int) -> None:
    tokens = np.random.default_rng(2).integers(0, 256, 70).tolist()
    expected = numpy_llama(tiny)(tokens).logits
    with load(tiny, gpu_layers=0) as model, model.context(256, threads=1) as context:
        found = list(forced(context, tokens, start))
    assert [p for first, logs in found for p in range(first, first + len(logs))] == list(range(start, 70))
    shares = np.exp(np.concatenate([logs for _, logs in found]))
    assert shares == pytest.approx(softmax(expected[start:]), abs=2e-3)


def test_logits_that_are_no_numbers_are_refused(edited: Any) -> None:
    path = edited("nan", {"blk.1.attn_output.weight": lambda w: np.sign(w) * 3e38})
    with (
        load(path, gpu_layers=0) as model,
        model.context(256, threads=1) as context,
        pytest.raises(HubError, match="not finite"),
    ):
        list(forced(context, [1, 2, 3]))


def test_formats_of_one_model_agree_in_every_bit(judged: Any, tiny: Path, tiny_apr: Path) -> None:
    code, found = judged("compare", "compare", tiny, tiny_apr, "-n", 8)
    assert (code, found["passed"]) == (0, True)
    (one,) = found["comparisons"]
    assert (one["same_tokens"], one["agreement"], one["mean_kl"], one["max_kl"]) == (1, 1, 0, 0)
    assert len(one["prompts"]) == 4
    assert one["positions"] == sum(p["prompt_tokens"] + len(p["ours"]) for p in one["prompts"])
    assert found["rule"] == "the same greedy tokens for every prompt"


def test_the_numbers_are_those_of_forward_passes_in_numpy(
    judged: Any, numpy_llama: Any, tiny: Path, sharper: Path
) -> None:
    found = judged("compare", "compare", tiny, sharper, "-p", "abc", "-p", "hello", "-n", 12, "--raw")[1][
        "comparisons"
    ][0]
    ours, other = numpy_llama(tiny), numpy_llama(sharper)
    with load(tiny, gpu_layers=0) as model:
        tokens = {text: model.vocab.tokenize(text) for text in ("abc", "hello")}
    for prompt in found["prompts"]:
        read = [*tokens[prompt["prompt"]], *prompt["ours"]]
        p, q = softmax(ours(read).logits), softmax(other(read).logits)
        assert prompt["forced"]["kl"] == pytest.approx((p * np.log(p / q)).sum(1).tolist(), rel=0.03, abs=1e-4)
        same = (p.argmax(1) == q.argmax(1)).mean()
        assert prompt["forced"]["agreement"] == pytest.approx(same, abs=1.01 / len(read))  # a near tie may turn
        assert prompt["forced"]["mean_kl"] == pytest.approx(np.mean(prompt["forced"]["kl"]))
    every = [kl for p in found["prompts"] for kl in p["forced"]["kl"]]
    assert found["mean_kl"] == pytest.approx(np.mean(every))
    assert found["max_kl"] == max(every)


def test_a_text_is_gone_along_in_windows(
    judged: Any, hub: Any, numpy_llama: Any, tiny: Path, sharper: Path, tmp_path: Path
) -> None:
    file = tmp_path / "text.txt"
    file.write_text("the quick brown fox " * 8, encoding="utf-8")
    arguments = ("compare", tiny, sharper, "-p", "a", "-n", 2, "--text", file, "--ctx", 64)
    found = judged("compare", *arguments)[1]["comparisons"][0]
    with load(tiny, gpu_layers=0) as model:
        tokens = model.vocab.tokenize(file.read_text(encoding="utf-8"))
    expected: list[float] = []
    for window in (tokens[i : i + 64] for i in range(0, len(tokens), 64)):
        p, q = (softmax(numpy_llama(path)(window).logits) for path in (tiny, sharper))
        expected += (p * np.log(p / q)).sum(1).tolist()
    assert found["text"]["kl"] == pytest.approx(expected, rel=0.05, abs=2e-4)
    assert found["positions"] == len(tokens) + found["prompts"][0]["forced"]["positions"]
    file.write_text("", encoding="utf-8")
    assert "no tokens" in hub(*arguments).err


def test_answers_are_those_of_the_engine(judged: Any, tiny: Path, sharper: Path) -> None:
    found = judged("compare", "compare", tiny, sharper, "-p", "abc", "-n", 20, "--raw")[1]["comparisons"][0]["prompts"][
        0
    ]
    for path, side in ((tiny, "ours"), (sharper, "other")):
        with load(path, gpu_layers=0) as model, model.context(256) as context:
            request = Request(model.vocab.tokenize("abc"), max_tokens=20)
            assert found[side] == [t.id for t in generate(Slots(context), request)]
    place = found["first_difference"]
    assert found["same_tokens"] == (place is None)
    if place is not None:
        assert found["ours"][:place] == found["other"][:place]
        assert found["ours"][place : place + 1] != found["other"][place : place + 1]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ([], 1),
        (["--require", "tokens"], 1),
        (["--max-mean-kl", 1e6], 0),
        (["--max-mean-kl", 1e-6], 1),
        (["--min-agreement", 0], 0),
        (["--min-agreement", 1], 1),
        (["--max-mean-kl", 1e6, "--min-agreement", 1], 1),
    ],
)
def test_the_exit_code_is_what_was_asked(judged: Any, tiny: Path, edited: Any, asked: list[object], code: int) -> None:
    other = edited("different", {"output.weight": lambda w: w[::-1]})
    found = judged("compare", "compare", tiny, other, "-p", "abc", "-n", 12, *asked)
    assert (found[0], found[1]["passed"]) == (code, code == 0)
    assert found[1]["comparisons"][0]["assertions"]


def test_one_of_several_models_that_differs_fails_all(judged: Any, tiny: Path, tiny_apr: Path, edited: Any) -> None:
    other = edited("turned", {"output.weight": lambda w: w[::-1]})
    code, found = judged("compare", "compare", tiny, tiny_apr, other, "-p", "abc", "--require", "first-token")
    assert code == 1
    assert [c["passed"] for c in found["comparisons"]] == [True, False]


def test_prompts_come_from_a_file(document: Any, hub: Any, tiny: Path, tiny_apr: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('abc\n\n{"prompt": "de"}\n', encoding="utf-8")
    found = document("compare", "compare", tiny, tiny_apr, "--prompts", file, "-n", 3)
    assert [p["prompt"] for p in found["comparisons"][0]["prompts"]] == ["abc", "de"]
    file.write_text(json.dumps({"prompt": "x", "temperature": 1}), encoding="utf-8")
    assert "nothing has an effect" in hub("compare", tiny, tiny_apr, "--prompts", file).err
    file.write_text("\n", encoding="utf-8")
    assert hub("compare", tiny, tiny_apr, "--prompts", file).code == 2


def test_what_cannot_be_is_refused(hub: Any, tiny: Path) -> None:
    assert "at least two" in hub("compare", tiny).err
    assert "--require is" in hub("compare", tiny, tiny, "--require", "luck").err
    assert hub("compare", tiny, tiny, "-p", "", "--raw").code == 2


def test_prompts_are_given_as_run_gives_them(hub: Any, judged: Any, tiny: Path, make_tiny: Any, tmp_path: Path) -> None:
    bare = make_tiny(tmp_path / "bare.gguf", template=None)
    assert "--raw leaves the chat templates out" in hub("compare", tiny, bare, "-p", "abc").err
    raw = judged("compare", "compare", tiny, bare, "-p", "abc", "-n", 4, "--raw")
    assert (raw[0], raw[1]["template"]) == (0, False)
    plain = judged("compare", "compare", tiny, tiny, "-p", "abc", "-n", 4)
    assert (plain[0], plain[1]["template"]) == (0, True)
    assert "--raw has no effect" in hub("compare", bare, bare, "-p", "abc", "--raw").err
    with load(tiny, gpu_layers=0) as model:
        sizes = [len(prompt_of(model, "abc", raw=r).tokens) for r in (True, False)]
    assert sizes == [r[1]["comparisons"][0]["prompts"][0]["prompt_tokens"] for r in (raw, plain)]


def test_models_of_other_vocabularies_are_not_compared(hub: Any, tiny: Path, smollm2: Path) -> None:
    ran = hub("compare", tiny, smollm2)
    assert ran.code == 2
    assert "vocabulary" in ran.err
