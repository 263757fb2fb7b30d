"""Whatever a config.json or a header says, the answer is ours, at once, and names what is wrong."""

from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.architectures import FAMILIES
from hub.errors import HubError
from hub.ir import Config, Model
from hub_gguf.arch import from_canonical, to_canonical

MakeModel = Callable[..., Model]

numbers = st.sampled_from([0, -1, 1, 3, 7, 1 << 16, 1 << 31, 1 << 63, 10**400, 0.0, -2.5, 1e-300, 1e300])
odd_floats = st.sampled_from([float("nan"), float("inf"), float("-inf")])
scalars = st.one_of(st.none(), st.booleans(), numbers, odd_floats, st.sampled_from(["", "8", "llama3", "yarn"]))
words = st.sampled_from(
    ["rope_type", "type", "factor", "rope_theta", "full_attention", "sliding_attention", "long_factor", "short_factor",
     "original_max_position_embeddings", "low_freq_factor", "high_freq_factor", "beta_fast", "attention_factor"]
)  # fmt: skip
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=3))
CONFIG: dict[str, Any] = {
    "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4,
    "intermediate_size": 8, "vocab_size": 5, "max_position_embeddings": 32, "num_experts": 2, "type_vocab_size": 2,
    "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8, "rms_norm_eps": 1e-5, "layer_norm_eps": 1e-5,
    "rope_theta": 1e4, "rope_scaling": None, "partial_rotary_factor": 0.5, "sliding_window": 8, "layer_types": None,
    "query_pre_attn_scalar": 4, "original_max_position_embeddings": 16, "rope_parameters": None, "text_config": None,
    "tie_word_embeddings": True, "mlp_only_layers": [], "decoder_sparse_step": 1, "new_decoder_architecture": True,
}  # fmt: skip
every_family = pytest.mark.parametrize("family", sorted(FAMILIES))
often = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _plain(family: str) -> dict[str, Any]:
    experts = any("{e}" in slot.name for slot in FAMILIES[family].slots)
    alike = {"num_key_value_heads": 4, "head_dim": 4} if family in {"gpt2", "gpt_neox", "bert", "phi"} else {}
    return {k: v for k, v in {**CONFIG, **alike, "model_type": family}.items() if experts or k != "num_experts"}


@every_family
@often
@given(st.sampled_from(sorted(CONFIG)), anything)
def test_a_config_of_nonsense_is_refused_by_us(family: str, make_model: MakeModel, key: str, value: Any) -> None:
    model = make_model(_plain(family))
    damaged = {**_plain(family), key: value}
    with suppress(HubError):
        from_canonical(Model(model.tensors, Config(damaged)))
    with suppress(HubError):
        list(islice(FAMILIES[family].expected(damaged), 1000))


@every_family
@often
@given(st.data(), anything)
def test_keys_of_nonsense_are_refused_by_us(
    family: str, make_model: MakeModel, data: st.DataObject, value: Any
) -> None:
    native = from_canonical(make_model(_plain(family)))
    kv = {k: v.plain for k, v in native.keys.items()}
    kv[data.draw(st.sampled_from([*kv, f"{native.arch}.rope.scaling.type", "tokenizer.ggml.bos_token_id"]))] = value
    tensors = {p.tensor.name: p.tensor for p in native.tensors}
    with suppress(HubError):
        to_canonical(native.arch, kv, tensors)


@every_family
@often
@given(st.data())
def test_tensors_of_nonsense_shapes_are_refused_by_us(family: str, make_model: MakeModel, data: st.DataObject) -> None:
    native = from_canonical(make_model(_plain(family)))
    kv = {k: v.plain for k, v in native.keys.items()}
    tensors = {p.tensor.name: p.tensor for p in native.tensors}
    one, other = (data.draw(st.sampled_from(sorted(tensors))) for _ in range(2))
    tensors[one] = tensors[other].named(one)
    with suppress(HubError):
        to_canonical(native.arch, kv, tensors)
