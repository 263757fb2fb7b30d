"""There and back is the identity on bytes, for every family and for matrices in blocks."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.architectures import FAMILIES
from hub.ir import Model
from hub_gguf.arch import BY_FAMILY, from_canonical, to_canonical

MakeModel = Callable[..., Model]

every_family = pytest.mark.parametrize("family", sorted(FAMILIES))
BLOCKS = ("Q4_K", "Q8_0", "Q4_1", "IQ4_XS", "MXFP4", "F16")


def _groups(family: str, heads: int, groups: int) -> int:
    return {"gpt_bigcode": 1, **dict.fromkeys(("phi", "gpt2", "gpt_neox", "bert", "bloom"), heads)}.get(family, groups)


def _config(family: str, heads: int = 4, groups: int = 2, head_dim: int = 64, **more: Any) -> dict[str, Any]:
    """Sizes that differ from each other; rows of 256 values, so that every block fits."""
    free = family not in {"gpt2", "gpt_neox", "falcon", "bert", "phi", "stablelm", "phi3", "granite", "starcoder2"}
    known = FAMILIES[family]
    values = {
        "num_hidden_layers": 2, "hidden_size": 256 if free else heads * head_dim, "num_attention_heads": heads,
        "num_key_value_heads": _groups(family, heads, groups),
        "intermediate_size": 512, "vocab_size": 40, "max_position_embeddings": 2048 if family == "falcon" else 96,
        "type_vocab_size": 2, known.norm[0]: 1e-5,
    }  # fmt: skip
    if any("{e}" in slot.name for slot in known.slots):
        values |= {"num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 256}
        values["shared_expert_intermediate_size"] = 768
    if free:
        values["head_dim"] = head_dim
    if family == "falcon":
        values["new_decoder_architecture"] = True
    return {"model_type": family, **known.spelled(values), **more}


def _there_and_back(model: Model) -> tuple[dict[str, bytes], dict[str, bytes]]:
    native = from_canonical(model)
    assert native.unmapped == ()
    tensors = {p.tensor.name: p.tensor for p in native.tensors}
    back = to_canonical(native.arch, {key: value.plain for key, value in native.keys.items()}, tensors)
    assert back.unmapped == ()
    assert back.ties == model.ties
    assert {n: (t.shape, t.encoding) for n, t in back.tensors.items()} == {
        n: (t.shape, t.encoding) for n, t in model.tensors.items()
    }
    return {n: t.read() for n, t in model.tensors.items()}, {n: t.read() for n, t in back.tensors.items()}


@every_family
def test_plain_matrices_come_back(family: str, make_model: MakeModel) -> None:
    there, back = _there_and_back(make_model(_config(family)))
    assert there == back


def _keeps(family: str, encoding: str) -> bool:
    """False where GGUF cannot hold the encoding: blocks cannot be turned, some matrices must be F32."""
    if encoding != "F16":
        return family != "gpt2"
    names = [slot.name for slot in FAMILIES[family].slots if len(slot.shape) > 1]
    return not any(n.endswith(("mlp.gate.weight", "moe.gate.weight", "wpe.weight")) or "position" in n for n in names)


@pytest.mark.parametrize(("family", "encoding"), [(f, e) for f in sorted(FAMILIES) for e in BLOCKS if _keeps(f, e)])
def test_matrices_in_blocks_come_back(family: str, encoding: str, make_model: MakeModel) -> None:
    there, back = _there_and_back(make_model(_config(family), encoding))
    assert there == back


@every_family
def test_variants_come_back(family: str, make_model: MakeModel) -> None:
    known = FAMILIES[family]
    flags = {slot.when for slot in known.slots} - {"", "moe", "!moe", "maybe", "two_norms", "!two_norms"}
    flags -= {"!two_norms&!parallel_attn", "bias"}  # llama.cpp has no such Falcon
    if family == "phi":
        flags -= {"qk_layernorm"}  # nor such Phi
    if family in {"gemma", "gemma2", "cohere", "cohere2"}:
        flags -= {"!tie_word_embeddings"}  # nor one of these with an output of its own
    for flag in sorted(flags):
        for value in (True, False):
            there, back = _there_and_back(make_model(_config(family, **{flag.lstrip("!"): value})))
            assert there == back, (flag, value)


@pytest.mark.parametrize("family", ["llama", "granite", "qwen3", "gemma3_text", "mixtral", "olmo2", "phi3"])
@settings(max_examples=15, deadline=None)
@given(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 4]), st.sampled_from([8, 16, 24]))
def test_any_number_of_heads_comes_back(
    family: str, make_model: MakeModel, shared: int, groups: int, head_dim: int
) -> None:
    config = _config(family, heads=groups * shared, groups=groups, head_dim=head_dim)
    there, back = _there_and_back(make_model(config, "Q8_0"))
    assert there == back


@pytest.mark.parametrize("old", [{"multi_query": True}, {"multi_query": False}])
def test_older_falcons_come_back(old: dict[str, bool], make_model: MakeModel) -> None:
    config = {**_config("falcon"), "new_decoder_architecture": False, **old, "num_kv_heads": 4}
    there, back = _there_and_back(make_model(config, "Q4_K"))
    assert there == back


def test_every_family_has_an_architecture() -> None:
    assert set(BY_FAMILY) == set(FAMILIES)
