"""Rows and values against the layouts written out by hand, on numbers that say where they come from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.errors import DamagedFile
from hub.ir import Change, Config, Model, Tensor
from hub_gguf.arch import from_canonical, to_canonical

MakeModel = Callable[..., Model]
Floats = NDArray[np.float32]

HEADS, GROUPS, WIDTH, HIDDEN = 6, 2, 4, 16
CONFIG = {
    "num_hidden_layers": 1, "hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_key_value_heads": GROUPS,
    "head_dim": WIDTH, "intermediate_size": 8, "vocab_size": 5, "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
    "layer_norm_eps": 1e-5,
}  # fmt: skip


def _values(tensor: Tensor) -> Floats:
    return np.frombuffer(tensor.read(), np.float32).reshape(tensor.shape)


def _gguf(model: Model) -> dict[str, Tensor]:
    return {p.tensor.name: p.tensor for p in from_canonical(model).tensors}


def _interleaved(values: Floats, heads: int) -> Floats:
    """Row r of a head's first half next to row r of its second half."""
    out = []
    for head in np.split(values, heads):
        first, second = np.split(head, 2)
        for a, b in zip(first, second, strict=True):
            out += [a, b]
    return np.array(out, np.float32)


@pytest.mark.parametrize("family", ["llama", "granite", "mistral"])
def test_query_and_key_rows_are_interleaved_by_their_own_heads(family: str, make_model: MakeModel) -> None:
    width = {"head_dim": WIDTH, "hidden_size": HIDDEN if family != "granite" else HEADS * WIDTH}
    model = make_model({**CONFIG, **width, "model_type": family, "attention_bias": True})
    made = _gguf(model)
    for word, name, heads in (("q_proj", "attn_q", HEADS), ("k_proj", "attn_k", GROUPS)):
        for suffix in ("weight", "bias") if family != "mistral" else ("weight",):
            tensor = model.tensors[f"model.layers.0.self_attn.{word}.{suffix}"]
            assert np.array_equal(_values(made[f"blk.0.{name}.{suffix}"]), _interleaved(_values(tensor), heads))
    assert made["blk.0.attn_v.weight"].change is Change.SAME
    assert made["blk.0.attn_q.weight"].change is Change.MOVED


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "gemma2", "olmo2"])
def test_other_families_keep_their_rows(family: str, make_model: MakeModel) -> None:
    config = {**CONFIG, "model_type": family, "hidden_size": HEADS * WIDTH}
    made = _gguf(make_model(config))
    assert {made[f"blk.0.attn_{x}.weight"].change for x in "qkv"} == {Change.SAME}


def test_gemma_norms_are_written_with_one_added(make_model: MakeModel) -> None:
    model = make_model({**CONFIG, "model_type": "gemma3_text"})
    made = _gguf(model)
    pairs = {
        "model.norm.weight": "output_norm.weight",
        "model.layers.0.self_attn.q_norm.weight": "blk.0.attn_q_norm.weight",
        "model.layers.0.post_attention_layernorm.weight": "blk.0.post_attention_norm.weight",
        "model.layers.0.pre_feedforward_layernorm.weight": "blk.0.ffn_norm.weight",
    }
    for name, gguf in pairs.items():
        assert np.array_equal(_values(made[gguf]), _values(model.tensors[name]) + np.float32(1))
    assert made["blk.0.ffn_up.weight"].change is Change.SAME


def test_llama_norms_are_not(make_model: MakeModel) -> None:
    model = make_model({**CONFIG, "model_type": "llama"})
    assert np.array_equal(_values(_gguf(model)["output_norm.weight"]), _values(model.tensors["model.norm.weight"]))


def test_conv1d_weights_are_turned_and_their_biases_are_not(make_model: MakeModel) -> None:
    model = make_model(
        {"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16, "vocab_size": 5}
    )
    made = _gguf(model)
    for word, name in (("attn.c_attn", "attn_qkv"), ("mlp.c_fc", "ffn_up"), ("mlp.c_proj", "ffn_down")):
        weight, bias = (model.tensors[f"transformer.h.0.{word}.{x}"] for x in ("weight", "bias"))
        assert np.array_equal(_values(made[f"blk.0.{name}.weight"]), _values(weight).T)
        assert np.array_equal(_values(made[f"blk.0.{name}.bias"]), _values(bias))


def _fused_apart(values: Floats, heads: int, groups: int) -> Floats:
    """Groups of queries with their key and value -> all queries, all keys, all values."""
    each = heads // groups
    parts: dict[str, list[Any]] = {"q": [], "k": [], "v": []}
    for group in np.split(values, groups):
        cells = np.split(group, each + 2)
        parts["q"] += cells[:each]
        parts["k"].append(cells[each])
        parts["v"].append(cells[each + 1])
    return np.concatenate(parts["q"] + parts["k"] + parts["v"])


def test_falcon_groups_are_taken_apart(make_model: MakeModel) -> None:
    config = {
        "model_type": "falcon", "hidden_size": HEADS * WIDTH, "num_hidden_layers": 1, "num_attention_heads": HEADS,
        "num_kv_heads": GROUPS, "new_decoder_architecture": True, "vocab_size": 5, "layer_norm_epsilon": 1e-5,
    }  # fmt: skip
    model = make_model(config)
    fused = model.tensors["transformer.h.0.self_attention.query_key_value.weight"]
    made = _gguf(model)["blk.0.attn_qkv.weight"]
    assert np.array_equal(_values(made), _fused_apart(_values(fused), HEADS, GROUPS))


def test_neox_heads_are_taken_apart(make_model: MakeModel) -> None:
    config = {
        "model_type": "gpt_neox", "hidden_size": HEADS * WIDTH, "num_hidden_layers": 1, "num_attention_heads": HEADS,
        "intermediate_size": 8, "vocab_size": 5, "layer_norm_eps": 1e-5, "max_position_embeddings": 32,
    }  # fmt: skip
    model = make_model(config)
    made = _gguf(model)
    for suffix in ("weight", "bias"):
        fused = model.tensors[f"gpt_neox.layers.0.attention.query_key_value.{suffix}"]
        assert np.array_equal(_values(made[f"blk.0.attn_qkv.{suffix}"]), _fused_apart(_values(fused), HEADS, HEADS))


def test_experts_are_stacked_in_order(make_model: MakeModel) -> None:
    config = {**CONFIG, "model_type": "mixtral", "num_local_experts": 3, "num_experts_per_tok": 2}
    model = make_model(config)
    made = _gguf(model)
    for word, name in (("w1", "ffn_gate_exps"), ("w2", "ffn_down_exps"), ("w3", "ffn_up_exps")):
        parts = [model.tensors[f"model.layers.0.block_sparse_moe.experts.{e}.{word}.weight"] for e in range(3)]
        assert np.array_equal(_values(made[f"blk.0.{name}.weight"]), np.stack([_values(p) for p in parts]))


def test_a_missing_expert_is_named(make_model: MakeModel) -> None:
    model = make_model({**CONFIG, "model_type": "mixtral", "num_local_experts": 3})
    name = "model.layers.0.block_sparse_moe.experts.1.w3.weight"
    tensors = {n: t for n, t in model.tensors.items() if n != name}
    with pytest.raises(DamagedFile, match="8 parts of layer 0's experts"):
        from_canonical(Model(tensors, model.config))
    renamed = {n.replace("experts.1.w3", "experts.7.w3"): t for n, t in model.tensors.items()}
    with pytest.raises(DamagedFile, match=r"experts\.1\.w3"):
        from_canonical(Model(renamed, model.config))


def test_a_quantized_conv1d_is_decoded_and_said(make_model: MakeModel) -> None:
    config = {"model_type": "gpt2", "n_embd": 256, "n_layer": 1, "n_head": 2, "n_positions": 16, "vocab_size": 5}
    gguf = from_canonical(make_model(config))
    encoded = {p.tensor.name: p.tensor for p in gguf.tensors}
    q8 = make_model(config, "Q8_0").tensors["transformer.h.0.attn.c_proj.weight"].named("blk.0.attn_output.weight")
    found = to_canonical("gpt2", {k: v.plain for k, v in gguf.keys.items()}, {**encoded, q8.name: q8})
    turned = found.tensors["transformer.h.0.attn.c_proj.weight"]
    assert (turned.encoding.name, turned.change) == ("F32", Change.EXACT)


def test_rows_that_heads_do_not_divide_are_damaged(make_model: MakeModel) -> None:
    model = make_model({**CONFIG, "model_type": "llama"})
    with pytest.raises(DamagedFile, match="multiple of 14"):
        from_canonical(Model(model.tensors, Config({**model.config, "num_attention_heads": 7})))


def test_vectors_in_blocks_are_moved_value_by_value(make_model: MakeModel) -> None:
    config = {**CONFIG, "model_type": "llama", "attention_bias": True, "head_dim": 64}
    native = from_canonical(make_model(config))
    tensors = {p.tensor.name: p.tensor for p in native.tensors}
    raw = bytes(range(2, 2 + 34)) * 12
    from hub.ir import ENCODINGS

    tensors["blk.0.attn_q.bias"] = Tensor.from_bytes("blk.0.attn_q.bias", (384,), ENCODINGS["Q8_0"], raw)
    found = to_canonical("llama", {k: v.plain for k, v in native.keys.items()}, tensors)
    assert found.tensors["model.layers.0.self_attn.q_proj.bias"].read()
