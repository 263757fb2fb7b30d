"""Families beyond those that the project names: they came with the tables, and are held to the same."""

from __future__ import annotations

from tests.oracle.case import DENSE, THETA, TIED, Case, Params

_HALF: Params = {**THETA, "partial_rotary_factor": 0.5}
_DEEP: Params = {**DENSE, "num_hidden_layers": 5}
_BLOOM: Params = {"hidden_size": 64, "n_layer": 2, "n_head": 4}
_BIGCODE: Params = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}
_OLMO3_YARN: Params = {
    "full_attention": {
        "rope_type": "yarn", "rope_theta": 600000.0, "factor": 4.0, "original_max_position_embeddings": 64,
    },
    "sliding_attention": {"rope_type": "default", "rope_theta": 600000.0},
}  # fmt: skip
_LLAMA3: Params = {
    "rope_type": "llama3", "rope_theta": 1e6, "factor": 16.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip

FURTHER: tuple[Case, ...] = (
    Case("smollm3", "smollm3", {**_DEEP, "rope_parameters": THETA}, "smollm"),
    Case("seed_oss", "seed_oss", {**DENSE, "head_dim": 32, "rope_parameters": THETA}, "qwen2"),
    Case("arcee", "arcee", {**DENSE, "rope_parameters": THETA}, "smollm"),
    Case("olmo", "olmo", {**DENSE, "rope_parameters": THETA}, "gpt-2"),
    Case("olmo_clip", "olmo", {**DENSE, "rope_parameters": THETA, "clip_qkv": 0.75}, "gpt-2"),
    Case("olmoe", "olmoe", {**DENSE, "rope_parameters": THETA, "num_experts": 4, "num_experts_per_tok": 2}, "gpt-2"),
    Case("olmo3", "olmo3", {**_DEEP, "sliding_window": 32}, "gpt-2"),
    Case("olmo3_yarn", "olmo3", {
        **_DEEP, "sliding_window": 32, "rope_parameters": _OLMO3_YARN,
    }, "gpt-2", modern=True),
    Case("cohere", "cohere", {**DENSE, "rope_parameters": THETA, "logit_scale": 0.25}, "gpt-2"),
    Case("cohere_qk_norm", "cohere", {
        **DENSE, "rope_parameters": THETA, "logit_scale": 0.25, "use_qk_norm": True, **TIED,
    }, "gpt-2"),
    Case("glm4", "glm4", {**DENSE, "head_dim": 32, "rope_parameters": _HALF}, "qwen2"),
    Case("ernie4_5", "ernie4_5", {**DENSE, "head_dim": 32, "rope_parameters": THETA, **TIED}, "spm:llama", pad=0),
    Case("exaone4", "exaone4", {**_DEEP, "sliding_window": 32, "rope_parameters": THETA}, "gpt-2"),
    Case("exaone4_llama3", "exaone4", {
        **DENSE, "sliding_window": None, "layer_types": ["full_attention"] * 2,
        "rope_parameters": _LLAMA3,
    }, "gpt-2", modern=True),
    Case("nemotron", "nemotron", {**DENSE, "rope_parameters": _HALF}, "spm:nemotron", pad=0),
    Case("bloom", "bloom", _BLOOM, "gpt-2"),
    Case("gpt_bigcode", "gpt_bigcode", _BIGCODE, "starcoder"),
)  # fmt: skip
