from dataclasses import replace
from typing import Any

import pytest

from hub.architectures import FAMILIES, Slot, dimension, family
from hub.errors import MissingFact
from hub.ir import ALIASES, Config

Case = dict[str, Any]

NAMES = [
    *("bert", "falcon_7b", "falcon_40b", "falcon_11b", "gemma", "gemma2", "gemma3", "gpt2", "gptneox", "granite"),
    *("llama", "llama_attention_bias", "llama_mlp_bias", "llama_head_dim", "llama_modern", "llama_tied"),
    *("llama_minimal", "mistral", "mixtral", "olmo2", "phi2", "phi3", "qwen2", "qwen2moe", "qwen3_head_dim_32"),
    *("qwen3moe", "stablelm", "stablelm_qkv_bias", "stablelm_parallel_qk_norm", "starcoder2"),
    *("arcee", "bloom", "cohere", "cohere_qk_norm", "ernie4_5", "exaone4", "glm4", "gpt_bigcode", "nemotron", "olmo"),
    *("olmo_clip", "olmo3_plain", "olmoe", "cohere2", "seed_oss", "smollm3"),
]
every_case = pytest.mark.parametrize("name", NAMES)


@every_case
def test_expected_tensors_are_those_transformers_writes(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    known = family(case["config"])
    assert known is not None
    expected = {e.name: e for e in known.expected(case["config"])}
    assert {n for n, e in expected.items() if e.required} <= case["tensors"].keys() <= expected.keys()
    assert {n: list(expected[n].shape) for n in case["tensors"]} == case["tensors"]


@every_case
def test_every_optional_tensor_of_a_case_is_optional_for_a_reason(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    known = family(case["config"])
    assert known is not None
    optional = {e.name for e in known.expected(case["config"]) if not e.required}
    assert all("pooler" in n or (known.head and n == known.head[0]) for n in optional), optional


@every_case
def test_each_required_fact_is_missed_when_it_is_gone(name: str, cases: dict[str, Case]) -> None:
    config = cases[name]["config"]
    known = family(config)
    assert known is not None
    stated = known.facts(config)
    for key in known.required_facts:
        assert stated.fact(key, int) is not None
        names = {key, known.spelling.get(key), *ALIASES.get(key, ())}
        without = {k: v for k, v in stated.items() if k not in names}
        if key != "num_attention_heads":  # a family without key heads has no shape that needs it
            with pytest.raises(MissingFact, match=key):
                list(known.expected(without))


def test_a_tied_output_may_be_stored_and_need_not_be(cases: dict[str, Case]) -> None:
    for tied in (True, False):
        config = {**cases["llama"]["config"], "tie_word_embeddings": tied}
        expected = {e.name: e for e in FAMILIES["llama"].expected(config)}
        assert expected["lm_head.weight"].required is not tied


def test_every_family_has_a_case(cases: dict[str, Case]) -> None:
    found = {known.model_type for case in cases.values() if (known := family(case["config"]))}
    assert found == set(FAMILIES)


def test_family_is_told_by_class_only_where_model_type_is_silent() -> None:
    assert family({"architectures": ["MixtralForCausalLM"]}) is FAMILIES["mixtral"]
    assert family({"architectures": ["MixtralForCausalLM"], "model_type": "unheard"}) is None
    assert family({"architectures": "LlamaForCausalLM"}) is None
    assert family({}) is None


def test_names_of_bare_and_wrapped_models_are_recognised() -> None:
    assert FAMILIES["llama"].normal("layers.3.mlp.up_proj.weight") == "model.layers.3.mlp.up_proj.weight"
    assert FAMILIES["gpt2"].normal("h.0.ln_1.bias") == "transformer.h.0.ln_1.bias"
    assert FAMILIES["bert"].normal("bert.embeddings.LayerNorm.bias") == "embeddings.LayerNorm.bias"
    assert FAMILIES["bert"].normal("bert.embeddings.LayerNorm.gamma") == "embeddings.LayerNorm.weight"
    assert FAMILIES["gemma3_text"].normal("model.language_model.norm.weight") == "model.norm.weight"
    assert FAMILIES["gemma3_text"].normal("language_model.model.norm.weight") == "model.norm.weight"
    for known in FAMILIES.values():
        assert [known.normal(slot.name) for slot in known.slots] == [slot.name for slot in known.slots]


def test_dimensions_add_and_multiply() -> None:
    config = Config({"hidden_size": 12, "num_attention_heads": 3, "num_key_value_heads": 1, "vocab_size": 7})
    assert dimension("Q+2*K", config) == 12 + 2 * 4
    assert dimension("3*H", config) == 36
    assert dimension("1", config) == 1


def test_layers_without_experts_are_dense() -> None:
    config = {
        "model_type": "qwen3_moe", "hidden_size": 4, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": 6, "moe_intermediate_size": 3, "num_experts": 2, "vocab_size": 5, "num_hidden_layers": 4,
        "decoder_sparse_step": 2, "mlp_only_layers": [3],
    }  # fmt: skip
    names = {e.name for e in FAMILIES["qwen3_moe"].expected(config)}
    assert [f"model.layers.{i}.mlp.gate.weight" in names for i in range(4)] == [False, True, False, False]
    assert [f"model.layers.{i}.mlp.up_proj.weight" in names for i in range(4)] == [True, False, True, True]


@pytest.mark.parametrize("layers", [1 << 17, 10**30, -1])
def test_absurd_counts_are_refused_at_once(layers: int, cases: dict[str, Case]) -> None:
    config = {**cases["llama"]["config"], "num_hidden_layers": layers}
    with pytest.raises(MissingFact, match="num_hidden_layers"):
        list(FAMILIES["llama"].expected(config))


def test_a_new_family_is_a_table() -> None:
    toy = replace(
        FAMILIES["llama"], model_type="toy", slots=(Slot.parse("w.{i}.weight V,2*H"), Slot.parse("b.bias H use_bias"))
    )
    config = {"vocab_size": 3, "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 1, "use_bias": False}
    assert [(e.name, e.shape) for e in toy.expected(config)] == [("w.0.weight", (3, 8)), ("w.1.weight", (3, 8))]
    assert toy.required_facts == ("hidden_size", "num_attention_heads", "num_hidden_layers", "vocab_size")
