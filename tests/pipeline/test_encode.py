from __future__ import annotations

import numpy as np
import pytest

from hub.errors import UsageError
from hub.ir import F32, Change, Model, Tensor
from hub.pipeline import Rule, encoded


@pytest.fixture
def model() -> Model:
    shapes = {"a.weight": (4, 64), "b.weight": (4, 48), "norm.weight": (64,)}
    rng = np.random.default_rng(0)
    tensors = {
        n: Tensor.from_bytes(n, s, F32, rng.normal(size=s).astype(np.float32).tobytes()) for n, s in shapes.items()
    }
    return Model(tensors)


def encodings(model: Model) -> dict[str, str]:
    return {name: t.encoding.name for name, t in model.tensors.items()}


def test_without_a_pattern_matrices_change_and_vectors_stay(model: Model) -> None:
    done, reasons, _ = encoded(model, [Rule.parse("f16")])
    assert encodings(done) == {"a.weight": "F16", "b.weight": "F16", "norm.weight": "F32"}
    assert done.tensors["a.weight"].change is Change.RECODED
    assert set(reasons) == {"a.weight", "b.weight"}


def test_the_last_rule_that_matches_counts(model: Model) -> None:
    done, *_ = encoded(model, [Rule.parse("bf16"), Rule.parse("q8_0:a.*"), Rule.parse("f16:norm.*")])
    assert encodings(done) == {"a.weight": "Q8_0", "b.weight": "BF16", "norm.weight": "F16"}


@pytest.mark.parametrize("pattern", ["a.", "a.weight", "a.*", "?.weigh[t]", "a.we"])
def test_a_pattern_is_a_part_of_the_name_or_a_glob(model: Model, pattern: str) -> None:
    done, *_ = encoded(model, [Rule.parse(f"q8_0:{pattern}")])
    assert encodings(done)["a.weight"] == "Q8_0"
    assert encodings(done)["norm.weight"] == "F32"


def test_rows_that_are_not_whole_blocks_are_kept_and_said(model: Model) -> None:
    done, reasons, _ = encoded(model, [Rule.parse("q8_0:*")])
    assert encodings(done)["b.weight"] == "F32"
    assert reasons["b.weight"] == "kept F32: rows of 48 are not whole blocks of Q8_0"


@pytest.mark.parametrize("rule", ["f32", "q8_0:none.*"])
def test_a_rule_without_effect_is_an_error(model: Model, rule: str) -> None:
    with pytest.raises(UsageError, match="changes nothing"):
        encoded(model, [Rule.parse(rule)])


@pytest.mark.parametrize("name", ["q9_9", "", "q4_k_x"])
def test_an_encoding_that_cannot_be_written_lists_those_that_can(name: str) -> None:
    with pytest.raises(UsageError, match="there are .*q8_0"):
        Rule.parse(name)
