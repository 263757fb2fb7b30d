from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.ir import Model, Tensor, Tokenizer
from hub.statistics._stats import scan
from hub.verdicts._content import CHECKS, Context, Remark

Make = Callable[..., Model]
MakeTensor = Callable[[str, NDArray[Any]], Tensor]

WEIGHT = "model.layers.0.mlp.up_proj.weight"
EMBEDDING = "model.embed_tokens.weight"


def remarks(tensor: Tensor, model: Model) -> dict[str, Remark]:
    totals, context = scan(tensor), Context.of(model)
    return {name: remark for name, check in CHECKS.items() for remark in check(tensor, totals, context)}


def weight(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(3).normal(size=shape)


def test_a_healthy_model_has_only_notes(make: Make) -> None:
    model = make()
    found = [r for t in model.tensors.values() for r in remarks(t, model).values()]
    assert {r.severity for r in found} == {"note"}
    assert all("norm" in r.tensor for r in found)


@pytest.mark.parametrize(("bad", "check"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "inf")])
def test_one_bad_value_fails(make: Make, tensor: MakeTensor, bad: float, check: str) -> None:
    values = weight(48, 32)
    values[4, 5] = bad
    assert remarks(tensor(WEIGHT, values), make())[check].severity == "fail"


@pytest.mark.parametrize(
    ("name", "shape", "severity"),
    [
        (WEIGHT, (48, 32), "fail"),
        (EMBEDDING, (12, 32), "fail"),
        ("model.norm.weight", (32,), "fail"),
        ("model.layers.0.self_attn.q_proj.bias", (32,), "note"),
        ("bert.embeddings.token_type_embeddings.weight", (2, 32), "note"),
    ],
)
def test_zeros_are_damage_in_a_weight_and_health_in_a_bias(
    make: Make, tensor: MakeTensor, name: str, shape: tuple[int, ...], severity: str
) -> None:
    found = remarks(tensor(name, np.zeros(shape)), make())
    assert set(found) == {"all zero"}
    assert found["all zero"].severity == severity


def test_a_gemma_norm_may_be_zero_for_one_is_added(make: Make, tensor: MakeTensor) -> None:
    norm = tensor("model.norm.weight", np.zeros(32))
    assert remarks(norm, make(config={"model_type": "gemma2"}))["all zero"].severity == "note"


def test_a_constant_matrix_fails_and_a_norm_of_ones_does_not(make: Make, tensor: MakeTensor) -> None:
    assert remarks(tensor(WEIGHT, np.full((4, 4), 0.5)), make())["constant"].severity == "fail"
    assert remarks(tensor("model.norm.weight", np.ones(32)), make())["constant"].severity == "note"


def test_a_dead_row_of_a_weight_fails_and_is_named(make: Make, tensor: MakeTensor) -> None:
    values = weight(48, 32)
    values[[9, 11]] = 0
    found = remarks(tensor(WEIGHT, values), make())["dead rows"]
    assert found.severity == "fail"
    assert "2 rows" in found.detail
    assert "row 9" in found.detail


def test_dead_rows_of_padding_and_of_the_pad_token_are_notes(make: Make, tensor: MakeTensor) -> None:
    values = weight(20, 32)
    values[11:] = 0  # token 11 is the pad token; there are 12 tokens
    found = remarks(tensor(EMBEDDING, values), make())["dead rows"]
    assert (found.severity, found.detail[:2]) == ("note", "9 ")


def test_a_dead_row_of_a_token_in_use_fails(make: Make, tensor: MakeTensor) -> None:
    values = weight(20, 32)
    values[[5, 15]] = 0
    model = make()
    totals, context = scan(tensor(EMBEDDING, values)), Context.of(model)
    found = [*CHECKS["dead rows"](tensor(EMBEDDING, values), totals, context)]
    assert [r.severity for r in found] == ["fail", "note"]
    assert "row 5" in found[0].detail


def test_unused_tokens_may_have_dead_rows(make: Make, tensor: MakeTensor, tokenizer: Tokenizer) -> None:
    values = weight(12, 32)
    values[8] = 0
    kinds = [1] * 12
    kinds[8] = 5
    model = make(tokens=replace(tokenizer, types=kinds))
    assert remarks(tensor(EMBEDDING, values), model)["dead rows"].severity == "note"


def test_without_a_tokenizer_nobody_can_say(make: Make, tensor: MakeTensor) -> None:
    values = weight(12, 32)
    values[8] = 0
    assert remarks(tensor(EMBEDDING, values), make(tokens=None))["dead rows"].severity == "warning"


def test_short_rows_of_a_convolution_are_no_rows(make: Make, tensor: MakeTensor) -> None:
    values = weight(8, 4, 3)
    values[2, 1] = 0
    assert remarks(tensor("model.conv1.weight", values), make()) == {}


def test_dead_rows_in_a_stack_of_experts_fail(make: Make, tensor: MakeTensor) -> None:
    values = weight(4, 8, 32)
    values[2, 1] = 0
    assert remarks(tensor("model.layers.0.mlp.experts.up.weight", values), make())["dead rows"].severity == "fail"


def test_a_mostly_empty_matrix_is_a_warning(make: Make, tensor: MakeTensor) -> None:
    values = weight(48, 32)
    values[:, :28] = 0
    assert remarks(tensor(WEIGHT, values), make())["mostly zero"].severity == "warning"
