from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub_runtime.engine import load

TEXT = "It was the best of times, it was the worst of times; <s> everything stood still. " * 3


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def losses(forward: Any, tokens: list[int]) -> Any:
    """The loss of each token after the first."""
    logits = forward(tokens).logits
    shifted = logits - logits.max(1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -logs[np.arange(len(tokens) - 1), tokens[1:]]


def tokens_of(path: Path) -> list[int]:
    with load(path, gpu_layers=0) as model:
        assert not model.vocab.add_bos
        return model.vocab.tokenize(TEXT, parse_special=False)


def test_the_second_half_of_each_window_is_scored(document: Any, numpy_llama: Any, varied: Path, text: Path) -> None:
    found = document("perplexity", "perplexity", varied, "--text", text, "--ctx", 64)
    tokens, forward = tokens_of(varied), numpy_llama(varied)
    windows = [tokens[i : i + 64] for i in range(0, len(tokens) - 63, 64)]
    expected = np.concatenate([losses(forward, w)[32:] for w in windows])
    assert (found["windows"], found["window"], found["scored"]) == (len(windows), 64, 31 * len(windows))
    assert found["mean_nll"] == pytest.approx(expected.mean(), rel=1e-3)
    assert found["perplexity"] == pytest.approx(np.exp(expected.mean()), rel=5e-3)
    error = expected.std(ddof=1) / np.sqrt(len(expected)) * np.exp(expected.mean())
    assert found["perplexity_error"] == pytest.approx(error, rel=1e-2)
    assert f"{len(tokens) - 64 * len(windows)} tokens at the end" in found["rule"]


def test_a_short_text_is_scored_whole(document: Any, numpy_llama: Any, varied: Path, text: Path) -> None:
    found = document("perplexity", "perplexity", varied, "--text", text)
    expected = losses(numpy_llama(varied), tokens_of(varied))
    assert (found["windows"], found["scored"]) == (1, len(expected))
    assert found["mean_nll"] == pytest.approx(expected.mean(), rel=1e-3)


def test_text_and_document_go_where_they_should(hub: Any, read_document: Any, tiny: Path, text: Path) -> None:
    target = text.with_suffix(".json")
    ran = hub("perplexity", tiny, "--text", text, "--output", target)
    assert ran.code == 0
    assert "nats over" in ran.out
    read_document(target.read_text(encoding="utf-8"), "perplexity")


@pytest.mark.parametrize("content", ["", "a"])
def test_nothing_to_score_is_an_error(hub: Any, tiny: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.txt"
    path.write_text(content, encoding="utf-8")
    ran = hub("perplexity", tiny, "--text", path)
    assert (ran.code, ran.out) == (2, "")
    assert "nothing to score" in ran.err


def test_a_text_that_is_not_there_or_no_text(hub: Any, tiny: Path, tmp_path: Path) -> None:
    assert "no such text" in hub("perplexity", tiny, "--text", tmp_path / "none.txt").err
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    assert "not UTF-8 at byte 3" in hub("perplexity", tiny, "--text", tmp_path / "latin.txt").err


def test_a_real_model_is_less_surprised_by_sense(document: Any, smollm2: Path, tmp_path: Path) -> None:
    sentence = "The sun rises in the east and sets in the west. Water freezes at zero degrees Celsius."
    words = sentence.split(" ")
    found = []
    for order in (words, sorted(words)):
        (tmp_path / "text.txt").write_text(" ".join(order), encoding="utf-8")
        found.append(document("perplexity", "perplexity", smollm2, "--text", tmp_path / "text.txt")["perplexity"])
    assert found[0] < 30 < found[1]
