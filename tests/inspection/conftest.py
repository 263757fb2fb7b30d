"""A tiny healthy llama model in canonical form, and the means to harm it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.ir import ENCODINGS, F32, Config, Lazy, Model, Tensor, Tokenizer

HIDDEN, FFN, LAYERS, HEADS, KV, VOCAB = 32, 48, 2, 4, 2, 12

CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "intermediate_size": FFN,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV, "vocab_size": VOCAB,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
}  # fmt: skip

TOKENS = ("<unk>", "<s>", "</s>", "a", "b", "c", "ab", "abc", "d", "e", "f", "<pad>")

Make = Callable[..., Model]


def shapes() -> dict[str, tuple[int, ...]]:
    kv = KV * HIDDEN // HEADS
    layer = {
        "input_layernorm": (HIDDEN,), "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (kv, HIDDEN),
        "self_attn.v_proj": (kv, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN), "post_attention_layernorm": (HIDDEN,),
        "mlp.gate_proj": (FFN, HIDDEN), "mlp.up_proj": (FFN, HIDDEN), "mlp.down_proj": (HIDDEN, FFN),
    }  # fmt: skip
    inner = {f"model.layers.{i}.{name}.weight": shape for i in range(LAYERS) for name, shape in layer.items()}
    ends = {"model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN)}
    return {"model.embed_tokens.weight": (VOCAB, HIDDEN), **inner, **ends}


def f32(name: str, values: NDArray[Any]) -> Tensor:
    return Tensor.from_bytes(name, values.shape, F32, np.ascontiguousarray(values, np.float32).tobytes())


@pytest.fixture
def tensor() -> Callable[[str, NDArray[Any]], Tensor]:
    return f32


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer("bpe", TOKENS, merges=("a b", "ab c"), special={"bos": 1, "eos": 2, "pad": 11})


@pytest.fixture
def make(tokenizer: Tokenizer) -> Make:
    """A model; `values` replaces tensors (None takes one away), other arguments replace the model's parts."""

    def build(
        values: Mapping[str, NDArray[Any] | None] | None = None,
        config: Mapping[str, Any] | None = None,
        tokens: Tokenizer | None = tokenizer,
        **parts: Any,
    ) -> Model:
        random = np.random.default_rng(7)
        arrays: dict[str, NDArray[Any] | None] = {n: random.normal(size=s) for n, s in shapes().items()}
        arrays |= {n: np.ones(s) for n, s in shapes().items() if "norm" in n} | dict(values or {})
        tensors = {n: f32(n, a) for n, a in arrays.items() if a is not None}
        model = Model(tensors, Config(CONFIG | dict(config or {})), Lazy.of(tokens))
        return replace(model, **parts)

    return build


@pytest.fixture(params=["F32", "F16", "BF16", "Q8_0"])
def encoding(request: pytest.FixtureRequest) -> str:
    assert request.param in ENCODINGS
    return str(request.param)
