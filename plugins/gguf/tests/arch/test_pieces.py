"""Files that join tensors, or hold one an expert, read as the usual ones do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hub.errors import DamagedFile, MissingFact
from hub.ir import Model, Tensor, concatenated
from hub_gguf.arch import from_canonical, to_canonical

MakeModel = Callable[..., Model]

CONFIG: dict[str, Any] = {
    "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "intermediate_size": 32, "moe_intermediate_size": 32, "num_experts": 3, "vocab_size": 5,
    "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
}  # fmt: skip


def _native(model: Model) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    native = from_canonical(model)
    kv = {k: v.plain for k, v in native.keys.items()}
    return native.arch, kv, {p.tensor.name: p.tensor for p in native.tensors}


@pytest.mark.parametrize(("family", "encoding"), [("llama", "Q8_0"), ("llama", "F32"), ("qwen3", "Q4_0")])
def test_fused_queries_keys_and_values(family: str, encoding: str, make_model: MakeModel) -> None:
    plain = {k: v for k, v in CONFIG.items() if "experts" not in k}
    model = make_model({**plain, "model_type": family, "attention_bias": True}, encoding)
    arch, kv, tensors = _native(model)
    for layer in range(2):
        for suffix in ("weight", "bias"):
            parts = [tensors.pop(f"blk.{layer}.attn_{x}.{suffix}") for x in "qkv"]
            name = f"blk.{layer}.attn_qkv.{suffix}"
            tensors[name] = concatenated(name, parts)
    found = to_canonical(arch, kv, tensors)
    assert found.unmapped == ()
    assert {n: t.read() for n, t in found.tensors.items()} == {n: t.read() for n, t in model.tensors.items()}
    assert found.config["attention_bias"] is True


def test_fused_gates_and_ups_of_experts(make_model: MakeModel) -> None:
    model = make_model({**CONFIG, "model_type": "qwen3_moe"}, "Q8_0")
    arch, kv, tensors = _native(model)
    for layer in range(2):
        gate, up = (tensors.pop(f"blk.{layer}.ffn_{x}_exps.weight") for x in ("gate", "up"))
        raw = [np.frombuffer(t.read(), np.uint8).reshape(3, 32, -1) for t in (gate, up)]
        name = f"blk.{layer}.ffn_gate_up_exps.weight"
        tensors[name] = Tensor.from_bytes(name, (3, 64, 64), gate.encoding, np.concatenate(raw, axis=1).tobytes())
    found = to_canonical(arch, kv, tensors)
    assert found.unmapped == ()
    assert {n: t.read() for n, t in found.tensors.items()} == {n: t.read() for n, t in model.tensors.items()}


def test_one_tensor_an_expert(make_model: MakeModel) -> None:
    model = make_model({**CONFIG, "model_type": "mixtral"}, "Q8_0")
    arch, kv, tensors = _native(model)
    for layer in range(2):
        for word in ("gate", "up", "down"):
            stack = tensors.pop(f"blk.{layer}.ffn_{word}_exps.weight")
            for at in range(3):
                name = f"blk.{layer}.ffn_{word}.{at}.weight"
                tensors[name] = stack.slice(at, at + 1).reshaped(*stack.shape[1:]).named(name)
    found = to_canonical(arch, kv, tensors)
    assert found.unmapped == ()
    assert {n: t.read() for n, t in found.tensors.items()} == {n: t.read() for n, t in model.tensors.items()}


def test_a_stack_of_another_height_is_damaged(make_model: MakeModel) -> None:
    arch, kv, tensors = _native(make_model({**CONFIG, "model_type": "mixtral"}))
    for count in (2, 4):
        with pytest.raises(DamagedFile, match=f"stack of {count} was expected"):
            to_canonical(arch, kv | {"llama.expert_count": count}, tensors)
    with pytest.raises(MissingFact, match="num_local_experts|num_experts"):
        to_canonical(arch, kv | {"llama.expert_count": 1 << 30}, tensors)


def test_fused_rows_of_another_number_are_damaged(make_model: MakeModel) -> None:
    plain = {k: v for k, v in CONFIG.items() if "experts" not in k}
    arch, kv, tensors = _native(make_model({**plain, "model_type": "llama"}))
    name = "blk.0.attn_qkv.weight"
    tensors[name] = concatenated(name, [tensors.pop(f"blk.0.attn_{x}.weight") for x in "qk"])
    with pytest.raises(DamagedFile, match="48 rows were found, 64 were expected"):
        to_canonical(arch, kv, tensors)
