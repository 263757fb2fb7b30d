"""What is left out, what is lost, and what is refused on the way to GGUF."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hub.codecs import recode
from hub.errors import MissingFact, UnsupportedFile
from hub.ir import ENCODINGS, Config, Model
from hub_gguf.arch import from_canonical

MakeModel = Callable[..., Model]
Q8_0 = ENCODINGS["Q8_0"]

BASE: dict[str, Any] = {
    "num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 32, "vocab_size": 5, "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
    "layer_norm_eps": 1e-5, "rope_theta": 10000.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("mistral", {"sliding_window": 16}),
        ("starcoder2", {"sliding_window": 16}),
        ("qwen2", {"use_sliding_window": True}),
        ("gemma2", {"query_pre_attn_scalar": 99, "head_dim": 8}),
        ("gemma3_text", {"query_pre_attn_scalar": 99, "head_dim": 8, "sliding_window": 8}),
        ("gpt_neox", {"rope_theta": 1e6}),
        ("phi", {"rope_theta": 1e6}),
        ("stablelm", {"rope_scaling": {"type": "linear", "factor": 2.0}}),
        ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}),
        ("llama", {"hidden_act": "relu"}),
        ("qwen3_moe", {"norm_topk_prob": False, "num_experts": 2, "moe_intermediate_size": 8}),
    ],
)
def test_facts_that_gguf_cannot_hold_are_named(family: str, more: dict[str, Any], make_model: MakeModel) -> None:
    fact = next(iter(more))
    kept = from_canonical(make_model({**BASE, **more, "model_type": family}))
    assert any(note.startswith(f"{fact}=") for note in kept.notes), kept.notes


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "gpt_neox", "phi", "stablelm", "granite", "olmo2"])
def test_nothing_is_lost_of_a_plain_model(family: str, make_model: MakeModel) -> None:
    plain = {**BASE, "model_type": family, "num_key_value_heads": 4, "sliding_window": None}
    notes = [n for n in from_canonical(make_model(plain)).notes if "not in the config" not in n]
    assert notes == []


def test_numbers_left_to_the_class_are_noted(make_model: MakeModel) -> None:
    config = {k: v for k, v in BASE.items() if k != "rms_norm_eps"}
    notes = from_canonical(make_model({**config, "model_type": "llama"})).notes
    assert any("rms_norm_eps=1e-06" in note for note in notes)


def test_buffers_and_heads_without_a_place_are_left_out_by_name(make_model: MakeModel) -> None:
    model = make_model({**BASE, "model_type": "bert", "type_vocab_size": 2})
    some = model.tensors["embeddings.LayerNorm.bias"]
    extra = ["embeddings.position_ids", "pooler.dense.bias", "cls.predictions.bias", "classifier.weight"]
    more = {f"bert.{name}": some.named(f"bert.{name}") for name in extra}
    native = from_canonical(Model({**model.tensors, **more}, model.config))
    assert set(native.dropped) == {
        "bert.embeddings.position_ids",
        "bert.pooler.dense.bias",
        "bert.cls.predictions.bias",
    }
    assert native.unmapped == ("bert.classifier.weight",)


def test_a_stored_copy_of_a_tied_output_is_left_out_where_llama_cpp_refuses_it(make_model: MakeModel) -> None:
    for family, tied, dropped, unmapped in (
        ("gemma", True, {"lm_head.weight"}, ()),
        ("gemma", False, set(), ("lm_head.weight",)),
        ("llama", True, set(), ()),
    ):
        config = {**BASE, "model_type": family, "head_dim": 16, "tie_word_embeddings": False}
        model = make_model(config)
        native = from_canonical(Model(model.tensors, Config({**config, "tie_word_embeddings": tied})))
        assert (set(native.dropped), native.unmapped) == (dropped, unmapped)


def test_vectors_and_norms_become_f32_and_matrices_keep_their_encoding(make_model: MakeModel) -> None:
    known = make_model({**BASE, "model_type": "qwen2"}).tensors
    half = make_model({**BASE, "model_type": "qwen2"}, tensors={n: ("BF16", t.shape) for n, t in known.items()})
    bfloat = {n: t for n, t in half.tensors.items() if t.encoding.name == "BF16"}
    assert bfloat
    planned = from_canonical(half).tensors
    assert {p.tensor.encoding.name for p in planned if len(p.tensor.shape) > 1} == {"BF16"}
    assert {p.tensor.encoding.name for p in planned if len(p.tensor.shape) == 1} == {"F32"}


def test_what_the_user_asks_for_is_made_of_the_tensor_as_gguf_lays_it_out(make_model: MakeModel) -> None:
    """Blocks run along the rows of the target: a matrix is turned first, a router is left in F32."""
    config = {"model_type": "gpt2", "n_embd": 64, "n_layer": 1, "n_head": 2, "n_positions": 16, "vocab_size": 5}
    model = make_model(config)
    asked = {n: recode(t, Q8_0) if len(t.shape) > 1 else t for n, t in model.tensors.items()}
    made = {p.tensor.name: p.tensor for p in from_canonical(Model(asked, model.config)).tensors}
    turned = model.tensors["transformer.h.0.mlp.c_fc.weight"].transposed()
    assert made["blk.0.ffn_up.weight"].read() == recode(turned, Q8_0).read()
    assert made["position_embd.weight"].read() == model.tensors["transformer.wpe.weight"].read()


def test_experts_are_encoded_and_their_router_is_not(make_model: MakeModel) -> None:
    more = {"num_local_experts": 2, "model_type": "mixtral", "hidden_size": 64}
    model = make_model({**BASE, **more})
    asked = {n: recode(t, Q8_0) if len(t.shape) > 1 else t for n, t in model.tensors.items()}
    made = {p.tensor.name: p for p in from_canonical(Model(asked, model.config)).tensors}
    assert made["blk.0.ffn_up_exps.weight"].tensor.encoding is Q8_0
    router = made["blk.0.ffn_gate_inp.weight"]
    assert router.tensor.read() == model.tensors["model.layers.0.block_sparse_moe.gate.weight"].read()
    assert "llama.cpp" in router.reason


def test_rows_that_are_no_whole_blocks_once_turned_stay(make_model: MakeModel) -> None:
    config = {"model_type": "gpt2", "n_embd": 64, "n_layer": 1, "n_head": 2, "n_positions": 16, "vocab_size": 5}
    model = make_model({**config, "n_inner": 96})
    name = "transformer.h.0.mlp.c_proj.weight"
    q4k = ENCODINGS["Q4_1"]
    odd = make_model({**config, "n_inner": 72}).tensors[name]  # [72, 64] turned has rows of 72
    model = Model({**model.tensors, name: recode(odd, q4k)}, Config({**model.config, "n_inner": 72}))
    planned = {p.tensor.name: p for p in from_canonical(model).tensors}["blk.0.ffn_down.weight"]
    assert (planned.tensor.encoding.name, planned.reason.split(":")[0]) == ("F32", "kept F32")


@pytest.mark.parametrize("key", ["num_hidden_layers", "max_position_embeddings", "hidden_size", "intermediate_size"])
def test_keys_that_llama_cpp_needs_are_asked_for(key: str, make_model: MakeModel) -> None:
    model = make_model({**BASE, "model_type": "llama"})
    config = Config({k: v for k, v in model.config.items() if k != key})
    with pytest.raises(MissingFact, match=key):
        from_canonical(Model(model.tensors, config))


@pytest.mark.parametrize("value", ["32", -1, 1 << 40, [32], True])
def test_sizes_that_are_none_are_refused(value: Any, make_model: MakeModel) -> None:
    model = make_model({**BASE, "model_type": "llama"})
    with pytest.raises(MissingFact, match="max_position_embeddings"):
        from_canonical(Model(model.tensors, Config({**model.config, "max_position_embeddings": value})))


def test_a_family_in_no_table_is_said() -> None:
    with pytest.raises(UnsupportedFile, match="mamba"):
        from_canonical(Model({}, Config({"model_type": "mamba"})))


@pytest.mark.parametrize("method", ["gptq", "fp8", None])
def test_packed_weights_are_not_taken_for_plain_ones(method: str | None, make_model: MakeModel) -> None:
    model = make_model({**BASE, "model_type": "llama"})
    packed = {"bits": 4} | ({"quant_method": method} if method else {})
    with pytest.raises(UnsupportedFile, match=f"packed by {method or 'quantization_config'}"):
        from_canonical(Model(model.tensors, Config({**model.config, "quantization_config": packed})))
    from_canonical(Model(model.tensors, Config({**model.config, "quantization_config": None})))


@pytest.mark.parametrize(
    ("pooling", "number"),
    [
        ({"pooling_mode_mean_tokens": True}, 1),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, 2),
        ({"pooling_mode": "lasttoken"}, 3),
        ({"pooling_mode": "weighted"}, None),
        ([], None),
    ],
)
def test_pooling_comes_from_the_files_beside(pooling: Any, number: int | None, make_model: MakeModel) -> None:
    model = make_model({**BASE, "model_type": "bert", "type_vocab_size": 2})
    modules = [{"type": "st.models.Transformer", "path": ""}, {"type": "st.models.Pooling", "path": "1_Pooling"}]
    files = {"modules.json": json.dumps(modules).encode(), "1_Pooling/config.json": json.dumps(pooling).encode()}
    keys = from_canonical(Model(model.tensors, model.config, files=files)).keys
    found = keys.get("bert.pooling_type")
    assert (found.plain if found else None) == number


def test_pooling_that_only_the_metadata_tells(make_model: MakeModel) -> None:
    model = make_model({**BASE, "model_type": "bert", "type_vocab_size": 2})
    for mode, number in (("mean", 1), ("cls", 2), ("lasttoken", 3)):
        keys = from_canonical(Model(model.tensors, model.config, metadata={"pooling": mode})).keys
        assert keys["bert.pooling_type"].plain == number
    for strange in ("max", 1, None, ["mean"]):
        keys = from_canonical(Model(model.tensors, model.config, metadata={"pooling": strange})).keys
        assert "bert.pooling_type" not in keys


def test_damaged_files_beside_are_no_pooling(make_model: MakeModel) -> None:
    model = make_model({**BASE, "model_type": "bert", "type_vocab_size": 2})
    for data in (b"{", b"[1]", b"[" * 100_000):
        keys = from_canonical(Model(model.tensors, model.config, files={"modules.json": data})).keys
        assert "bert.pooling_type" not in keys
