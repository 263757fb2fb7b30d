"""Everything of a model beside its tensors, into bytes and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import Config, Lazy, Model, Tokenizer, TokenType, packed_facts, unpacked_facts
from hub.ir._tokenizer import Kind
from hub.pipeline.compare import compare_tokenizers

TOKENIZERS = {
    "bpe": Tokenizer(
        "bpe", ["a", "Ġb", "<s>", "\ud800", "é"], types=[1, 1, TokenType.CONTROL, 1, 6], merges=["a b", "Ġ a"],
        pre="llama-bpe", special={"bos": 2}, flags={"add_bos": True}, chat_template={"default": "{{ x }}", "tool": ""},
    ),
    "spm": Tokenizer("spm", ("▁a", "b"), scores=(-1.5, float("-inf")), types=(1, 2), chat_template="{{ y }}"),
    "unigram": Tokenizer("unigram", ["▁a"], scores=[0.1], charsmap=b"\0\xff\n", flags={"lowercase": False}),
    "wordpiece": Tokenizer("wordpiece", ["[PAD]", "##a"], special={"pad": 0}, token_type_count=2),
}  # fmt: skip


def again(model: Model) -> Model:
    return unpacked_facts(packed_facts(model), model.tensors)


def test_every_kind_of_tokenizer_is_tried() -> None:
    assert set(TOKENIZERS) == set(get_args(Kind))


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_tokenizer_comes_back(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]
    back = again(Model({}, tokenizer=Lazy.of(tokenizer))).tokenizer.get()
    assert compare_tokenizers(tokenizer, back) == []
    assert back is not None
    assert back.charsmap == tokenizer.charsmap


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["$base64", "$float", "$$"]), inner),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text() | st.sampled_from(["$base64", "$float", "$"]), JSON)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


@settings(max_examples=100, deadline=None)
@given(OBJECTS, OBJECTS, OBJECTS, st.dictionaries(st.text(), st.binary()))
def test_any_values_come_back(config: Any, metadata: Any, source: Any, files: dict[str, bytes]) -> None:
    metadata.pop("format", None)
    ties = {"lm_head.weight": "model.embed_tokens.weight"}
    back = again(
        Model({}, Config(config), metadata=metadata, ties=ties, files=files, source=Lazy.of(source), naming="native",
              unnamed=("x", "y"))
    )  # fmt: skip
    assert same(dict(back.config), config)
    assert same(back.metadata, metadata)
    assert same(back.source.get(), source)
    assert (back.files, back.ties, back.naming, back.unnamed) == (files, ties, "native", ("x", "y"))


def test_what_is_about_the_file_stays_behind() -> None:
    back = again(Model({}, metadata={"format": "GGUF v3", "name": "x"}, notes=("derived",)))
    assert back.metadata == {"name": "x"}
    assert back.notes == ()


def test_the_lines_are_strict_json() -> None:
    model = Model({}, Config({"limit": float("inf")}), tokenizer=Lazy.of(TOKENIZERS["spm"]))

    def refuse(name: str) -> None:
        raise AssertionError(name)

    lines = [json.loads(line, parse_constant=refuse) for line in packed_facts(model).splitlines()]
    assert lines[0]["config"] == {"limit": {"$float": "inf"}}
    assert len(lines) == 4


def test_what_json_has_no_word_for_is_refused() -> None:
    with pytest.raises(UnsupportedFile, match="set among the facts"):
        packed_facts(Model({}, metadata={"tags": {"a"}}))


GOOD = packed_facts(Model({}, tokenizer=Lazy.of(TOKENIZERS["bpe"])))
LINES = GOOD.split(b"\n")


def broken(number: int, old: bytes, new: bytes) -> bytes:
    assert old in LINES[number]
    return b"\n".join(line.replace(old, new) if n == number else line for n, line in enumerate(LINES))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}\n", GOOD[:-1], GOOD + b"x", b"\xff" + GOOD, broken(0, b'"hub": 1', b'"hub": 2'),
        broken(0, b'"ties": {}', b'"ties": []'), broken(0, b'"config": {}', b'"config": 3'),
        broken(0, b'"hf"', b'"HF"'), broken(0, b'"unnamed": []', b'"x": []'),
        broken(0, b'"unnamed": []', b'"unnamed": [1]'), broken(0, b"{}", b"[" * 100_000),
        broken(0, b"{}", b'{"$float": []}'), broken(3, b"{}", b'{"a": "b"}'),
        broken(3, b"{}", b'{"a": {"$base64": "@"}}'),
    ],
)  # fmt: skip
def test_damage_is_found_at_once(data: bytes) -> None:
    with pytest.raises(DamagedFile, match=r"x\.npz"):
        unpacked_facts(data, {}, file="x.npz")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"bpe"', b'"bop"'), (b'"tokens": [', b'"tokens": [3, '), (b'"kind"', b'"kinds"'), (b"[1, 1, 3", b'["1", 1, 3'),
     (b'"pre"', b'"prior"')],
)  # fmt: skip
def test_a_damaged_tokenizer_is_found_when_it_is_used(old: bytes, new: bytes) -> None:
    model = unpacked_facts(broken(1, old, new), {}, file="x.npz")
    with pytest.raises(DamagedFile, match=r"x\.npz: line 2 of the facts"):
        model.tokenizer.get()


def test_a_model_without_a_tokenizer_has_none() -> None:
    assert again(replace(Model({}), tokenizer=Lazy[Tokenizer | None](lambda: None))).tokenizer.get() is None
