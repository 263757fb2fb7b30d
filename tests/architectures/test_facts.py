from typing import Any

import pytest

from hub.architectures import FAMILIES, facts
from hub.errors import MissingFact

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def test_both_generations_of_config_say_the_same() -> None:
    old = {"rope_theta": 5e5, "rope_scaling": {**LLAMA3, "original_max_position_embeddings": 8192}, "torch_dtype": "x"}
    new = {"rope_parameters": {**LLAMA3, "original_max_position_embeddings": 8192, "rope_theta": 5e5}}
    for key in ("rope_theta", "rope_scaling"):
        assert facts(old)[key] == facts(new)[key]
    assert facts(new)["rope_scaling"] == {**LLAMA3, "original_max_position_embeddings": 8192}


@pytest.mark.parametrize("scaling", [None, {}, {"rope_type": "default"}, {"type": "default", "rope_theta": 1.0}])
def test_default_rope_is_no_scaling(scaling: Any) -> None:
    assert facts({"rope_scaling": scaling})["rope_scaling"] is None
    assert facts({"rope_parameters": scaling})["rope_scaling"] is None


def test_old_names_of_rope_kinds() -> None:
    assert facts({"rope_scaling": {"type": "linear", "factor": 2.0}})["rope_scaling"] == {
        "rope_type": "linear",
        "factor": 2.0,
    }
    phi = facts({"rope_scaling": {"type": "su", "long_factor": [1]}, "original_max_position_embeddings": 4096})
    assert phi["rope_scaling"] == {
        "rope_type": "longrope",
        "long_factor": [1],
        "original_max_position_embeddings": 4096,
    }


def test_a_stretched_rope_was_trained_at_the_length_stated_or_at_the_longest() -> None:
    yarn = {"rope_type": "yarn", "factor": 4.0}
    assert facts({"rope_scaling": yarn, "max_position_embeddings": 128})["rope_scaling"] == {
        **yarn,
        "original_max_position_embeddings": 128,
    }


def test_gemma3_has_a_rope_for_each_kind_of_layer() -> None:
    full = {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}
    found = facts({"rope_parameters": {"full_attention": full, "sliding_attention": {"rope_theta": 1e4}}})
    assert (found["rope_theta"], found["rope_local_base_freq"]) == (1e6, 1e4)
    assert found["rope_scaling"] == {"rope_type": "linear", "factor": 8.0}


def test_the_text_part_of_a_multimodal_config_is_what_counts() -> None:
    text = {"model_type": "gemma3_text", "hidden_size": 8, "architectures": None}
    found = facts({"model_type": "gemma3", "architectures": ["X"], "text_config": text})
    assert (found["model_type"], found["hidden_size"], found["architectures"]) == ("gemma3_text", 8, ["X"])


def test_spellings_of_older_families() -> None:
    gpt2 = FAMILIES["gpt2"].facts({"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16, "n_inner": None})
    assert gpt2.require("intermediate_size", int) == 32
    assert gpt2.require("max_position_embeddings", int) == 16
    assert facts({"rotary_pct": 0.25, "rotary_emb_base": 1e4})["partial_rotary_factor"] == 0.25
    assert facts({"hidden_activation": "gelu", "hidden_act": None})["hidden_act"] == "gelu"


def test_null_is_not_absent() -> None:
    assert FAMILIES["gemma2"].facts({}).fact("sliding_window", int) == 4096
    assert FAMILIES["gemma2"].facts({"sliding_window": None}).fact("sliding_window", int) is None


def test_numbers_left_to_the_class_are_named() -> None:
    assert FAMILIES["llama"].assumed({}) == {"rope_theta": 10000.0, "rms_norm_eps": 1e-06}
    assert FAMILIES["llama"].assumed({"rope_parameters": {"rope_theta": 1.0}, "rms_norm_eps": 1e-5}) == {}


def test_falcon_counts_key_heads_by_its_kind() -> None:
    base = {"num_attention_heads": 8, "hidden_size": 64, "num_kv_heads": 8}
    assert FAMILIES["falcon"].facts(base).num_kv_heads == 1
    assert FAMILIES["falcon"].facts({**base, "multi_query": False}).num_kv_heads == 8
    assert FAMILIES["falcon"].facts({**base, "new_decoder_architecture": True, "num_kv_heads": 2}).num_kv_heads == 2


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters", "text_config"])
@pytest.mark.parametrize("value", ["linear", [1], 3])
def test_parts_that_are_no_objects_are_refused(key: str, value: Any) -> None:
    with pytest.raises(MissingFact, match=key):
        facts({key: value})


@pytest.mark.parametrize("value", [[], {}, 3, None])
def test_a_model_type_that_is_no_name_is_unknown(value: Any) -> None:
    from hub.architectures import family

    assert family({"model_type": value}) is None
