"""config.json from keys: what older and stranger files say, what is missing, what is wrong."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hub.errors import DamagedFile, MissingFact, UnsupportedFile
from hub.ir import BF16, F32, Model, Tensor
from hub_gguf.arch import KNOWN, from_canonical, to_canonical

MakeModel = Callable[..., Model]
Kv = dict[str, Any]

LLAMA: dict[str, Any] = {
    "model_type": "llama", "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 8, "vocab_size": 5, "max_position_embeddings": 32,
    "rms_norm_eps": 1e-5,
}  # fmt: skip


def _native(model: Model) -> tuple[Kv, dict[str, Tensor]]:
    native = from_canonical(model)
    return {k: v.plain for k, v in native.keys.items()}, {p.tensor.name: p.tensor for p in native.tensors}


@pytest.fixture
def llama(make_model: MakeModel) -> tuple[Kv, dict[str, Tensor]]:
    return _native(make_model(LLAMA))


def test_config_is_what_transformers_loads(llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    ids = {"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}
    config = dict(to_canonical("llama", kv | ids, tensors).config)
    assert json.loads(json.dumps(config)) == config
    assert config == {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "num_hidden_layers": 1,
        "max_position_embeddings": 32, "hidden_size": 16, "intermediate_size": 8, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 4, "rms_norm_eps": 1e-05, "vocab_size": 5, "attention_bias": False,
        "mlp_bias": False, "tie_word_embeddings": False, "rope_theta": 10000.0, "rope_scaling": None,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None, "torch_dtype": "float32",
    }  # fmt: skip


def test_floats_are_the_shortest_of_their_float32(llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    kv["llama.attention.layer_norm_rms_epsilon"] = float(np.float32(1e-5))
    kv["llama.rope.freq_base"] = 500000.0
    config = to_canonical("llama", kv, tensors).config
    assert (config["rms_norm_eps"], config["rope_theta"]) == (1e-05, 500000.0)


def test_facts_that_the_file_leaves_out_stay_out(llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    for key in ("attention.layer_norm_rms_epsilon", "context_length", "attention.head_count_kv"):
        del kv[f"llama.{key}"]
    found = to_canonical("llama", kv, {n: t for n, t in tensors.items() if "attn_k" not in n})
    assert "rms_norm_eps" not in found.config
    assert "max_position_embeddings" not in found.config
    assert found.config["num_key_value_heads"] == 4  # llama.cpp: as many as heads
    assert any("sliding_window=None" in note for note in found.notes)


@pytest.mark.parametrize("key", ["attention.head_count", "block_count"])
def test_what_a_rule_needs_is_asked_for(key: str, llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    del kv[f"llama.{key}"]
    with pytest.raises(MissingFact, match="num_"):
        to_canonical("llama", kv, tensors)


def test_rope_scaling_of_older_files(llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    found = to_canonical("llama", kv | {"llama.rope.scale_linear": 0.25}, tensors)
    assert found.config["rope_scaling"] == {"rope_type": "linear", "factor": 0.25}
    assert to_canonical("llama", kv | {"llama.rope.scale_linear": 1.0}, tensors).config["rope_scaling"] is None
    none = kv | {"llama.rope.scaling.type": "none"}
    assert to_canonical("llama", none, tensors).config["rope_scaling"] is None


def test_strange_rope_factors_have_no_place(llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    odd = Tensor.from_bytes("rope_freqs.weight", (2,), F32, np.array([3.0, 7.0], np.float32).tobytes())
    found = to_canonical("llama", kv, {"rope_freqs.weight": odd, **tensors})
    assert found.unmapped == ("rope_freqs.weight",)
    assert any("rope_freqs" in note for note in found.notes)


def test_rope_factors_of_one_are_no_scaling(llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    ones = Tensor.from_bytes("rope_freqs.weight", (2,), F32, np.ones(2, np.float32).tobytes())
    found = to_canonical("llama", kv, {"rope_freqs.weight": ones, **tensors})
    assert (found.unmapped, found.config["rope_scaling"]) == ((), None)


def test_experts_make_a_llama_file_mixtral(make_model: MakeModel) -> None:
    kv, tensors = _native(make_model({**LLAMA, "model_type": "mixtral", "num_local_experts": 2}))
    found = to_canonical("llama", kv, tensors)
    assert found.config["architectures"] == ["MixtralForCausalLM"]
    assert found.config["num_local_experts"] == 2


def test_tensors_without_a_rule_and_layers_too_many_are_listed(llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    extra = ["blk.0.attn_rot_embd.weight", "blk.1.attn_norm.weight", "blk.0.attn_q.scale", "v.patch_embd.weight"]
    more = {name: tensors["output_norm.weight"].named(name) for name in extra}
    assert set(to_canonical("llama", kv, tensors | more).unmapped) == set(extra)


def test_without_an_output_the_embedding_is_tied(llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    found = to_canonical("llama", kv, {n: t for n, t in tensors.items() if n != "output.weight"})
    assert found.config["tie_word_embeddings"] is True
    assert found.ties == {"lm_head.weight": "model.embed_tokens.weight"}


def test_dtype_is_that_of_most_bytes(make_model: MakeModel) -> None:
    for encoding, name in (("BF16", "bfloat16"), ("F16", "float16"), ("Q8_0", "float32")):
        kv, tensors = _native(make_model({**LLAMA, "hidden_size": 64, "intermediate_size": 64}, encoding))
        assert to_canonical("llama", kv, tensors).config["torch_dtype"] == name


def test_gemma_layers_follow_llama_cpps_pattern(make_model: MakeModel) -> None:
    base = {**LLAMA, "head_dim": 4, "sliding_window": 8, "num_hidden_layers": 7}
    kv, tensors = _native(make_model({**base, "model_type": "gemma3_text"}))
    config = to_canonical("gemma3", kv, tensors).config
    assert [kind == "full_attention" for kind in config["layer_types"]] == [i == 5 for i in range(7)]
    assert (config["sliding_window_pattern"], config["rope_local_base_freq"]) == (6, 10000.0)
    kv, tensors = _native(make_model({**base, "model_type": "gemma2"}))
    kinds = to_canonical("gemma2", kv, tensors).config["layer_types"]
    assert kinds == ["sliding_attention", "full_attention"] * 3 + ["sliding_attention"]


@pytest.mark.parametrize(("arch", "model_type", "layers"), [("gemma2", "gemma2", 46), ("gemma3", "gemma3_text", 62)])
def test_the_27b_gemmas_scale_queries_by_hidden_over_heads(
    arch: str, model_type: str, layers: int, make_model: MakeModel
) -> None:
    base = {**LLAMA, "head_dim": 2, "sliding_window": 8, "model_type": model_type}
    for count, scalar in ((layers, 4), (layers - 1, 2)):
        kv, tensors = _native(make_model({**base, "num_hidden_layers": count}))
        found = to_canonical(arch, kv, tensors)
        assert found.config["query_pre_attn_scalar"] == scalar
        assert any(f"query_pre_attn_scalar={scalar}" in note for note in found.notes)


def test_phi2_key_heads_follow_their_rows(make_model: MakeModel) -> None:
    kv, tensors = _native(make_model({**LLAMA, "model_type": "phi", "layer_norm_eps": 1e-5}))
    assert kv["phi2.attention.head_count_kv"] == 4  # as the converter writes it
    found = to_canonical("phi2", kv, tensors)
    assert found.config["num_key_value_heads"] == 2
    assert any("head_count_kv" in note for note in found.notes)


def test_partial_rotary_factor_is_the_shortest(make_model: MakeModel) -> None:
    config = {**LLAMA, "model_type": "phi", "hidden_size": 320, "num_key_value_heads": 4, "partial_rotary_factor": 0.4}
    kv, tensors = _native(make_model(config))
    assert kv["phi2.rope.dimension_count"] == 32
    assert to_canonical("phi2", kv, tensors).config["partial_rotary_factor"] == 0.4


def test_widths_of_experts_come_from_older_files_shapes(make_model: MakeModel) -> None:
    more = {"num_experts": 2, "moe_intermediate_size": 12, "shared_expert_intermediate_size": 20}
    kv, tensors = _native(make_model({**LLAMA, **more, "model_type": "qwen2_moe"}))
    old = {k: v for k, v in kv.items() if "expert_feed" not in k and "expert_shared" not in k}
    gate = tensors["blk.0.ffn_gate_inp_shexp.weight"]
    flat = {**tensors, gate.name: gate.reshaped(16)}
    found = to_canonical("qwen2moe", old, flat)
    assert found.config["moe_intermediate_size"] == 12
    assert found.config["shared_expert_intermediate_size"] == 20
    assert found.tensors["model.layers.0.mlp.shared_expert_gate.weight"].shape == (1, 16)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("attention.head_count", "four", DamagedFile),
        ("attention.head_count", 0, DamagedFile),
        ("attention.head_count", 3, DamagedFile),
        ("attention.head_count", True, DamagedFile),
        ("attention.head_count", [4, 4], UnsupportedFile),
        ("attention.head_count_kv", [2], UnsupportedFile),
        ("attention.layer_norm_rms_epsilon", float("nan"), DamagedFile),
        ("rope.freq_base", "big", DamagedFile),
        ("rope.scaling.type", 7, DamagedFile),
        ("block_count", 2.5, DamagedFile),
    ],
)
def test_keys_that_are_wrong_are_refused(
    key: str, value: Any, error: type[Exception], llama: tuple[Kv, dict[str, Tensor]]
) -> None:
    kv, tensors = llama
    with pytest.raises(error):
        to_canonical("llama", kv | {f"llama.{key}": value}, tensors)


def test_tensors_without_dimensions_are_damaged(llama: tuple[Kv, dict[str, Tensor]]) -> None:
    kv, tensors = llama
    scalar = Tensor.from_bytes("blk.0.attn_q.weight", (), BF16, b"\0\0")
    with pytest.raises(DamagedFile, match="no dimensions"):
        to_canonical("llama", kv, tensors | {scalar.name: scalar})


def test_an_architecture_in_no_table_is_said() -> None:
    assert "mamba" not in KNOWN
    with pytest.raises(UnsupportedFile, match="mamba"):
        to_canonical("mamba", {}, {})


def test_olmo2_with_a_window_is_olmo3(make_model: MakeModel) -> None:
    more = {"num_hidden_layers": 5, "sliding_window": 8, "rope_theta": 6e5}
    kv, tensors = _native(make_model({**LLAMA, **more, "model_type": "olmo3"}))
    assert kv["olmo2.attention.sliding_window_pattern"] == [True, True, True, False, True]
    config = to_canonical("olmo2", kv, tensors).config
    assert (config["model_type"], config["sliding_window"]) == ("olmo3", 8)
    assert [kind == "sliding_attention" for kind in config["layer_types"]] == [True, True, True, False, True]
    assert config["rope_parameters"]["sliding_attention"]["rope_theta"] == 6e5
    del kv["olmo2.attention.sliding_window_pattern"]  # llama.cpp's own: every fourth layer sees all
    assert to_canonical("olmo2", kv, tensors).config["layer_types"] == config["layer_types"]


def test_a_bert_file_without_token_types_keeps_its_names(make_model: MakeModel) -> None:
    kv, tensors = _native(make_model({**LLAMA, "model_type": "bert", "type_vocab_size": 2}))
    del tensors["token_types.weight"]
    with pytest.raises(UnsupportedFile, match="DistilBERT"):
        to_canonical("bert", kv, tensors)


def test_inner_width_follows_the_rows(make_model: MakeModel) -> None:
    kv, tensors = _native(make_model({**LLAMA, "model_type": "gpt2"}))
    kv["gpt2.feed_forward_length"] = 64  # the converter writes four times the width
    found = to_canonical("gpt2", kv, tensors)
    assert found.config["n_inner"] == 8
    assert any("feed_forward_length" in note for note in found.notes)


def test_every_fourth_layer_of_smollm3_rotates_nothing(make_model: MakeModel) -> None:
    kv, tensors = _native(make_model({**LLAMA, "model_type": "smollm3", "num_hidden_layers": 5}))
    assert to_canonical("smollm3", kv, tensors).config["no_rope_layers"] == [1, 1, 1, 0, 1]
