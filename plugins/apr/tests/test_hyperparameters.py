from __future__ import annotations

import math
from typing import Any

import pytest

from hub.architectures import FAMILIES
from hub.ir import ENCODINGS, Config, Model, Tensor
from hub_apr._hyperparameters import config_of, hyperparameters
from hub_apr.container import KNOWN

SIZES = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
    "intermediate_size": 128, "max_position_embeddings": 512,
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_every_family_says_what_the_loader_requires(kind: str) -> None:
    config = {"model_type": kind, "architectures": [FAMILIES[kind].classes[0]], **FAMILIES[kind].spelled(SIZES)}
    keys = hyperparameters(Model({}, Config(config)))
    assert {"architecture", "hidden_size", "num_layers", "num_heads", "num_kv_heads", "intermediate_size"} <= set(keys)
    assert (keys["architecture"], keys["model_type"], keys["hf_model_type"]) == (kind, kind, kind)
    assert all(KNOWN[key][1](value) for key, value in keys.items() if key in KNOWN)
    back = config_of(keys)
    assert back["model_type"] == kind
    assert back.require("num_hidden_layers", int) == 2
    assert back.require("hidden_size", int) == 64


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": []}, {"text_config": 3}, {"architectures": 5}, {"rope_scaling": "x"}, {"hidden_size": -1},
        {"hidden_size": True}, {"rope_theta": math.nan}, {"rope_theta": "x"}, {"num_hidden_layers": 1 << 70},
        {"architectures": []}, {"norm_topk_prob": 1},
    ],
)  # fmt: skip
def test_odd_values_are_left_to_the_verbatim_config(config: dict[str, Any]) -> None:
    keys = hyperparameters(Model({}, Config(config)))
    assert all(KNOWN[key][1](value) for key, value in keys.items() if key in KNOWN)


def test_rope_settings_of_either_form() -> None:
    for config in ({"rope_theta": 5e5}, {"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}):
        keys = hyperparameters(Model({}, Config({"model_type": "llama", **config})))
        assert (keys["rope_theta"], keys["rope_type"]) == (5e5, 2)


def test_rows_of_the_embedding_stand_in_for_the_vocabulary() -> None:
    table = Tensor.from_bytes("model.embed_tokens.weight", (7, 2), ENCODINGS["F32"], bytes(56))
    assert hyperparameters(Model({table.name: table}))["vocab_size"] == 7


def test_older_keys() -> None:
    told = config_of({"model_config": '{"x": 1, "hidden_size": 3}', "d_model": 8, "n_layer": 2, "architecture": "auto"})
    assert dict(told) == {"x": 1, "hidden_size": 8, "num_hidden_layers": 2}
    assert dict(config_of({"model_config": "no json", "hidden_size": None, "rope_theta": 0})) == {}
