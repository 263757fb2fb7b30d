from typing import Any

import pytest

from hub.errors import MissingFact
from hub.ir import Config


def test_a_fact_is_found_under_its_familys_own_name() -> None:
    config = Config({"n_embd": 8, "hidden_size": None})
    assert config.fact("hidden_size", int) == 8
    assert "hidden_size" in config
    assert config.fact("intermediate_size", int) is None


def test_what_is_missing_is_named_and_can_be_stated() -> None:
    with pytest.raises(MissingFact, match="config.json.*'hidden_size'.*--assume hidden_size=VALUE"):
        Config({}, file="config.json").require("hidden_size", int)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("8", int), (True, int), (8.0, int), ([8], int), ("x", float), (10**400, float), (1, bool), ({}, list), (3, str)],
)
def test_a_value_of_another_type_is_refused(value: Any, kind: type) -> None:
    with pytest.raises(MissingFact, match=f"{kind.__name__} was expected"):
        Config({"key": value}).fact("key", kind)


def test_whole_numbers_are_floats_too() -> None:
    found = Config({"rope_theta": 10000}).require("rope_theta", float)
    assert (found, type(found)) == (10000.0, float)


def test_heads_of_families_with_and_without_groups() -> None:
    config = Config({"hidden_size": 64, "num_attention_heads": 8})
    assert (config.num_kv_heads, config.head_dim) == (8, 8)
    grouped = config.merged({"num_key_value_heads": 2, "head_dim": 32})
    assert (grouped.num_kv_heads, grouped.head_dim) == (2, 32)
    assert config.get("head_dim") is None


@pytest.mark.parametrize("heads", [0, -1])
def test_no_heads_have_no_width(heads: int) -> None:
    with pytest.raises(MissingFact, match="at least 1"):
        _ = Config({"hidden_size": 64, "num_attention_heads": heads}).head_dim
