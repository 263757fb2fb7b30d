"""Nothing that a source does not say is written as if it had said it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.errors import DamagedFile, MissingFact
from hub.ir import ENCODINGS, Config, Model, Tensor
from hub.pipeline._facts import check_facts

FACTS: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
    "head_dim": 4, "intermediate_size": 12, "vocab_size": 16, "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "tie_word_embeddings": False, "attention_bias": False, "mlp_bias": False,
}  # fmt: skip
SHAPES: dict[str, tuple[int, ...]] = {
    "model.embed_tokens.weight": (16, 8), "model.layers.0.self_attn.q_proj.weight": (8, 8),
    "model.layers.0.self_attn.k_proj.weight": (4, 8),
}  # fmt: skip


def _model(config: dict[str, Any], shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> Model:
    f32 = ENCODINGS["F32"]
    tensors = {
        name: Tensor.from_bytes(name, shape, f32, np.zeros(shape, np.float32).tobytes())
        for name, shape in shapes.items()
    }
    return Model(tensors, Config(config), path=Path("somewhere.gguf"))


def test_a_model_that_states_everything_passes() -> None:
    check_facts(_model(FACTS))


@pytest.mark.parametrize(
    "key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings",
            "rms_norm_eps", "rope_theta"],
)  # fmt: skip
def test_a_number_that_nothing_says_is_named(key: str) -> None:
    with pytest.raises(MissingFact, match=f"nothing says {key}.*--assume {key}=VALUE"):
        check_facts(_model({k: v for k, v in FACTS.items() if k != key}))


def test_a_config_json_of_its_own_may_leave_numbers_to_the_class() -> None:
    check_facts(replace(_model({"model_type": "llama"}), files={"config.json": b"{}"}))


def test_native_and_unknown_models_have_no_facts_to_state() -> None:
    check_facts(replace(_model({"model_type": "llama"}), naming="native"))
    check_facts(_model({"model_type": "of no table"}))


def test_a_shape_that_contradicts_the_facts_is_named() -> None:
    shapes = {**SHAPES, "model.layers.0.self_attn.k_proj.weight": (8, 8)}
    with pytest.raises(DamagedFile, match=r"k_proj\.weight'.*\[8, 8\] was found, the configuration asks for \[4, 8\]"):
        check_facts(_model(FACTS, shapes))
