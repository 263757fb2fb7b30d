from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hub.ir import Config, Lazy, Model, Tokenizer
from hub.verdicts._facts_diff import LONGEST, compare_facts, short

Make = Callable[..., Model]


def counted(a: Model, b: Model, same_format: str | None = None) -> list[str]:
    return [f"{f.section}.{f.key}" for f in compare_facts(a, b, same_format) if f.counts]


def sourced(make: Make, **keys: Any) -> Model:
    entries = [{"key": key, "value": value} for key, value in keys.items()]
    return make(source=Lazy.of({"gguf": {"keys": entries, "tensors": list(keys)}}))


def test_a_model_says_what_it_says(make: Make) -> None:
    assert compare_facts(make(), make(), "gguf") == []


@pytest.mark.parametrize("key", ["rope_theta", "num_hidden_layers", "rms_norm_eps"])
def test_a_hyper_parameter_counts(make: Make, key: str) -> None:
    assert counted(make(), make(config={key: 7})) == [f"config.{key}"]


def test_what_the_class_means_anyway_is_no_difference(make: Make) -> None:
    """`attention_bias` is False in a llama that does not state it."""
    assert compare_facts(make(), make(config={"attention_bias": False}), None) == []
    assert counted(make(), make(config={"attention_bias": True})) == ["config.attention_bias"]


def test_who_wrote_the_file_is_a_remark(make: Make) -> None:
    facts = compare_facts(make(), make(config={"transformers_version": "5.0"}), None)
    assert [(f.key, f.counts) for f in facts] == [("transformers_version", False)]
    stated = make(config={"torch_dtype": "float16"}), make(config={"torch_dtype": "float32"})
    assert counted(*stated) == []


def test_no_configuration_at_all_is_a_remark(make: Make) -> None:
    assert counted(make(), replace(make(), config=Config())) == []


def test_the_tokenizer_counts_where_ids_would_change(make: Make, tokenizer: Tokenizer) -> None:
    def other(**changes: Any) -> Model:
        return make(tokens=replace(tokenizer, **changes))

    assert counted(make(), other(merges=("a b", "ab d"))) == ["tokenizer.merges[1]"]
    assert counted(make(), other(merges=None)) == ["tokenizer.merges"]
    assert counted(make(), other(special={"bos": 1, "eos": 3, "pad": 11})) == ["tokenizer.special.eos"]
    assert counted(make(), other(tokens=(*tokenizer.tokens[:-1], "x"))) == ["tokenizer.tokens[11]"]
    assert counted(make(), make(tokens=None)) == ["tokenizer.tokenizer"]
    assert counted(make(), other(scores=[0.0] * 12)) == []
    assert counted(other(pre="gpt-2"), other(pre="qwen2")) == ["tokenizer.pre"]


def test_in_one_format_every_key_counts_and_the_order_of_tensors_does_not(make: Make) -> None:
    a, b = sourced(make, x=1, y=2), sourced(make, y=3)
    assert counted(a, b, "gguf") == ["gguf.keys.x", "gguf.keys.y.value"]
    assert counted(a, b) == []


def test_cards_of_different_formats_agree_in_scalars(make: Make) -> None:
    a, b = (make(metadata={"license": x, "tags": [x], "format": x}) for x in ("mit", "apache-2.0"))
    assert counted(a, b) == ["metadata.license", "metadata.tags"]
    assert counted(a, make(metadata={"license": ["mit"], "tags": ["mit", "more"]})) == []


def test_files_beside_the_weights_count_where_they_say_something_else(make: Make) -> None:
    a = make(files={"modules.json": b'{"a": [1, 2]}', "README.md": b"x", "config.json": b"{}"})
    assert counted(a, make(files={"modules.json": b'{"a":[1,2]}', "README.md": b"y", "config.json": b"1"})) == []
    assert counted(a, make(files={"modules.json": b'{"a":[1,3]}'})) == ["files.modules.json.a[1]"]
    assert counted(a, make(files={"modules.json": b"[" * 100_000})) == ["files.modules.json"]


def test_long_values_are_told_in_short() -> None:
    assert short("x" * LONGEST) == "x" * LONGEST
    assert short("x" * 5000) == f"{'x' * LONGEST}... (5000 characters)"
    assert short(list(range(1000))) == "1000 entries"
    assert short([1, 2]) == [1, 2]
    assert short(b"abc") == "3 bytes"
