from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import DamagedFile
from hub.ir import Tokenizer
from hub_apr._tokenizer_keys import foreign_tokenizer, own_tokenizer, tokenizer_keys
from hub_apr.container import parse_metadata

HERE = Path("model.apr")
WORDS = st.text(st.characters(), max_size=6)  # unpaired surrogates too
SCORES = st.floats(width=32) | st.floats()


def through_a_file(tokenizer: Tokenizer) -> Tokenizer:
    text = json.dumps(tokenizer_keys(tokenizer), ensure_ascii=False, allow_nan=False).encode()
    return own_tokenizer(parse_metadata(text, HERE, 0), HERE)


def same(a: Tokenizer, b: Tokenizer) -> bool:
    plain = all(
        getattr(a, name) == getattr(b, name)
        for name in ("kind", "tokens", "types", "merges", "pre", "special", "flags", "chat_template", "charsmap",
                     "token_type_count")
    )  # fmt: skip
    scores = [np.array([] if t.scores is None else t.scores).tobytes() for t in (a, b)]
    return plain and scores[0] == scores[1] and (a.scores is None) == (b.scores is None)


@st.composite
def tokenizers(draw: st.DrawFn) -> Tokenizer:
    tokens = draw(st.lists(WORDS, min_size=1, max_size=8))
    n = len(tokens)
    return Tokenizer(
        kind=draw(st.sampled_from(["bpe", "spm", "unigram", "wordpiece"])),
        tokens=tokens,
        scores=draw(st.none() | st.lists(SCORES.filter(lambda x: not math.isnan(x)), min_size=n, max_size=n)),
        types=draw(st.none() | st.lists(st.integers(0, 6), min_size=n, max_size=n)),
        merges=draw(st.none() | st.lists(WORDS, max_size=4)),
        pre=draw(st.none() | st.sampled_from(["llama-bpe", "qwen2"])),
        special=draw(st.dictionaries(st.sampled_from(["bos", "eos", "pad", "eot"]), st.integers(0, 9), max_size=4)),
        flags=draw(st.dictionaries(st.sampled_from(["add_bos", "lowercase"]), st.booleans(), max_size=2)),
        chat_template=draw(st.none() | WORDS | st.dictionaries(st.sampled_from(["default", "rag"]), WORDS)),
        charsmap=draw(st.none() | st.binary(max_size=9)),
        token_type_count=draw(st.none() | st.integers(0, 3)),
    )


@given(tokenizers())
def test_every_field_comes_back(tokenizer: Tokenizer) -> None:
    assert same(through_a_file(tokenizer), tokenizer)


def test_the_keys_are_those_the_loader_reads() -> None:
    words = ["<s>", "</s>", "\u2581a"]
    keys = tokenizer_keys(
        Tokenizer("spm", words, scores=[0.0, -1.5, -2.25], types=[3, 3, 1], special={"bos": 0, "eos": 1, "pad": 1},
                  flags={"add_bos": True}, chat_template={"default": "hi", "rag": "x"})
    )  # fmt: skip
    keys.pop("hub.tokenizer")
    assert keys == {
        "tokenizer.model": "llama", "tokenizer.model_type": "SentencePiece", "tokenizer.vocab_size": 3,
        "tokenizer.vocabulary": words, "tokenizer.scores": [0.0, -1.5, -2.25], "tokenizer.token_type": [3, 3, 1],
        "tokenizer.bos_token_id": 0, "tokenizer.eos_token_id": 1, "tokenizer.padding_token_id": 1,
        "tokenizer.add_bos_token": True, "tokenizer.chat_template": "hi", "chat_template": "hi",
        "special_tokens": {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"},
    }  # fmt: skip


def test_float32_scores_are_spelled_short() -> None:
    score = float(np.float32(0.1))
    keys = tokenizer_keys(Tokenizer("unigram", ["a"], scores=[score]))
    assert json.dumps(keys["tokenizer.scores"]) == "[0.1]"
    assert own_tokenizer(keys, HERE).scores == [score]


IDS = {"bos": 99, "eos": 2}  # an id that no token has is for `hub check` to name


def test_keys_of_others() -> None:
    told = foreign_tokenizer(
        {"tokenizer.vocabulary": ["a", "b", 7, "c"], "tokenizer.merges": ["a b"], "tokenizer.pre_type": "qwen2",
         "tokenizer.eos_token_id": 2, "tokenizer.bos_token_id": 99, "chat_template": "t"}
    )  # fmt: skip
    assert told == Tokenizer("bpe", ["a", "b", "c"], merges=["a b"], pre="qwen2", special=IDS, chat_template="t")
    assert foreign_tokenizer({"tokenizer.model_type": "BPE"}) is None
    odd = {"tokenizer.scores": ["x"], "tokenizer.token_type": [None], "tokenizer.pre_type": 3, "tokenizer.merges": 5}
    assert foreign_tokenizer({"tokenizer.vocabulary": ["a"], **odd}) == Tokenizer("spm", ["a"])


def test_lists_of_different_lengths_are_passed_on() -> None:
    lists = {"tokenizer.vocabulary": ["a", "b"], "tokenizer.scores": [0.5], "tokenizer.token_type": [1] * 3}
    told = foreign_tokenizer(lists)
    assert told == Tokenizer("spm", ["a", "b"], scores=[0.5], types=[1, 1, 1])


REST: dict[str, object] = {
    "kind": "bpe",
    "pre": None,
    "special": {},
    "flags": {},
    "token_type_count": None,
    "charsmap": None,
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", []), ("kind", "x"), ("special", 5), ("special", {"bos": "1"}), ("flags", {"add_bos": 1}), ("pre", 1),
        ("chat_template", ["x"]), ("charsmap", "#"), ("tokens", [None]), ("scores", 3), ("merges", {}),
        ("types", [True]),
    ],
)  # fmt: skip
def test_a_member_of_another_type_is_named(key: str, value: object) -> None:
    assert own_tokenizer({"hub.tokenizer": REST, "tokenizer.vocabulary": ["a"]}, HERE) == Tokenizer("bpe", ["a"])
    with pytest.raises(DamagedFile, match=f"hub.tokenizer': '{key}'"):
        own_tokenizer({"hub.tokenizer": {**REST, key: value}, "tokenizer.vocabulary": ["a"]}, HERE)


@pytest.mark.parametrize("block", [{}, {"kind": "bpe"}, [], "x", None, {"hub.zlib": "####", "size": 3}])
def test_a_damaged_block_is_named(block: object) -> None:
    with pytest.raises(DamagedFile, match=r"hub\.tokenizer"):
        own_tokenizer({"hub.tokenizer": block, "tokenizer.vocabulary": ["a"]}, HERE)
