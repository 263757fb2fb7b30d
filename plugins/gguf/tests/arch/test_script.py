"""Names, shapes, types, order and keys of what we write, against the files that llama.cpp's own converter wrote."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hub.architectures import family
from hub.ir import F32, Model, Tensor
from hub_gguf.arch import from_canonical, to_canonical

Case = dict[str, Any]
MakeModel = Callable[..., Model]

NAMES = [
    *("bert", "falcon_7b", "falcon_40b", "falcon_11b", "gemma", "gemma2", "gemma2_bf16", "gemma3", "gemma3_modern"),
    *("gemma3_rope_x8", "gpt2", "gptneox", "gptneox_sequential", "granite", "llama", "llama_attention_bias"),
    *("llama_mlp_bias", "llama_head_dim", "llama_modern", "llama_tied", "llama_minimal", "llama_f16", "llama_spm"),
    *("llama_rope_linear", "llama_rope_yarn_betas", "llama_rope_llama3_x8", "llama_rope_llama3_modern", "mistral"),
    *("mixtral", "olmo2", "phi2", "phi3", "phi3_longrope", "phi3_longrope_long", "phi3_window", "qwen2", "qwen2_yarn"),
    *("qwen2moe", "qwen3_head_dim_32", "qwen3moe", "stablelm", "stablelm_qkv_bias", "stablelm_parallel", "starcoder2"),
    *("arcee", "bloom", "cohere", "cohere_qk_norm", "ernie4_5", "exaone4", "glm4", "gpt_bigcode", "nemotron", "olmo"),
    *("olmo_clip", "olmo3_plain", "olmoe", "cohere2", "seed_oss", "smollm3"),
]
every_case = pytest.mark.parametrize("name", NAMES)


def _model(case: Case, make_model: MakeModel) -> Model:
    return make_model(
        case["config"], tensors={n: (kind, tuple(shape)) for n, (kind, *shape) in case["tensors"].items()}
    )


def _factors(case: Case) -> dict[str, Tensor]:
    return {
        name: Tensor.from_bytes(name, (len(values),), F32, np.asarray(values, np.float32).tobytes())
        for name, values in case["factors"].items()
    }


def test_every_case_is_tried(script: dict[str, Case]) -> None:
    assert set(script) == set(NAMES)


@every_case
def test_tensors_are_the_scripts_in_name_shape_type_and_order(
    name: str, script: dict[str, Case], make_model: MakeModel
) -> None:
    case = script[name]
    native = from_canonical(_model(case, make_model))
    found = {p.tensor.name: [p.tensor.encoding.name, *p.tensor.shape] for p in native.tensors}
    assert list(found.items()) == list(case["gguf"].items())
    assert native.unmapped == ()


@every_case
def test_keys_are_the_scripts_in_name_type_value_and_order(
    name: str, script: dict[str, Case], make_model: MakeModel
) -> None:
    case = script[name]
    native = from_canonical(_model(case, make_model))
    assert native.arch == case["arch"]
    assert list(native.keys) == list(case["keys"])
    for key, (kind, value) in case["keys"].items():
        assert native.keys[key].type.name == kind
        assert native.keys[key].plain == (pytest.approx(value, rel=1e-7) if isinstance(value, float) else value), key


@every_case
def test_rope_tensors_are_the_scripts_to_the_bit(name: str, script: dict[str, Case], make_model: MakeModel) -> None:
    case = script[name]
    made = {p.tensor.name: p.tensor.read() for p in from_canonical(_model(case, make_model)).tensors if not p.sources}
    assert made == {n: t.read() for n, t in _factors(case).items()}


@every_case
def test_the_scripts_keys_and_names_read_back_as_the_config(
    name: str, script: dict[str, Case], make_model: MakeModel
) -> None:
    case = script[name]
    tensors = {p.tensor.name: p.tensor for p in from_canonical(_model(case, make_model)).tensors} | _factors(case)
    found = to_canonical(case["arch"], {key: value for key, (_, value) in case["keys"].items()}, tensors)
    known = family(case["config"])
    assert known is not None
    original, read = known.facts(case["config"]), known.facts(found.config)
    for key in {
        *known.defaults,
        *known.derived,
        *known.required_facts,
        known.norm[0],
        "rope_scaling",
        "sliding_window",
    }:
        wanted = original.fact(key, object)
        if isinstance(wanted, dict):
            assert {k: read[key].get(k, v) for k, v in wanted.items()} == wanted
        else:
            assert (read.fact(key, object) or None) == (wanted or None), key
    dropped = {n for n in case["tensors"] if n.startswith("pooler")}
    assert set(found.tensors) == set(case["tensors"]) - dropped
    assert found.unmapped == ()
