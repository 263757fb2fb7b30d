"""The families that the project names, and their variants: what each configuration says beyond the plain form."""

from __future__ import annotations

from typing import Any

from tests.oracle.case import DENSE, THETA, TIED, Case, Params
from tests.oracle.further import FURTHER

_LLAMA3: Params = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip
_YARN: Params = {
    "rope_type": "yarn", "rope_theta": 1000000.0, "factor": 4.0, "original_max_position_embeddings": 128,
}  # fmt: skip
_YARN_BETAS: Params = {**_YARN, "beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.25}
_OLD_YARN: Params = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
_OLD_LINEAR: Params = {"type": "linear", "factor": 4.0}
_LINEAR: Params = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
_GQA: Params = {"rope_parameters": THETA}
_EXPERTS: Params = {
    "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 160, "decoder_sparse_step": 1,
    "mlp_only_layers": [], "norm_topk_prob": True,
}  # fmt: skip
_GEMMA3_ROPE: Params = {
    "full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
}
_GEMMA3_ROPE8: Params = {
    "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
}
_GEMMA: Params = {**DENSE, "head_dim": 32, "hidden_activation": "gelu_pytorch_tanh"}
_THETA_10K: Params = {"rope_type": "default", "rope_theta": 10000.0}
_GPT2: Params = {"n_embd": 64, "n_layer": 2, "n_head": 4}
_NEOX: Params = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 256,
    "max_position_embeddings": 512, "tie_word_embeddings": False,
}  # fmt: skip
_FALCON: Params = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 2048,
    "bias": False,
}  # fmt: skip
_BERT: Params = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96,
    "max_position_embeddings": 256,
}  # fmt: skip


def _longrope(original: int, longest: int, pairs: int = 8) -> Params:
    short = [1.0 + 0.03125 * i for i in range(pairs)]
    long = [1.5 + 0.25 * i for i in range(pairs)]
    rope = {
        "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": short, "long_factor": long,
        "original_max_position_embeddings": original, "factor": longest / original,
    }  # fmt: skip
    return {"max_position_embeddings": longest, "original_max_position_embeddings": original, "rope_parameters": rope}


def _llama(name: str, params: Params | None = None, vocabulary: str = "smollm", **rest: Any) -> Case:
    plain = {**DENSE, **_GQA, "tie_word_embeddings": False, "rms_norm_eps": 1e-5}
    return Case(name, "llama", {**plain, **(params or {})}, vocabulary, **rest)


def _of(family: str, base: Params) -> Any:
    def make(name: str, params: Params | None = None, vocabulary: str = "qwen2", **rest: Any) -> Case:
        return Case(name, family, {**base, **(params or {})}, vocabulary, **rest)

    return make


_mistral = _of("mistral", {**DENSE, "rope_parameters": THETA, "sliding_window": None})
_mixtral = _of("mixtral", {
    **DENSE, "rope_parameters": THETA, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None,
})  # fmt: skip
_qwen2 = _of("qwen2", {**DENSE, "rope_parameters": {**THETA, "rope_theta": 1000000.0}})
_qwen3 = _of("qwen3", {**DENSE, "rope_parameters": {**THETA, "rope_theta": 1000000.0}, "tie_word_embeddings": False})
_qwen2moe = _of("qwen2_moe", {
    **DENSE, **_EXPERTS, "norm_topk_prob": False, "shared_expert_intermediate_size": 224, "rope_parameters": THETA,
})  # fmt: skip
_qwen3moe = _of("qwen3_moe", {**DENSE, **_EXPERTS, "head_dim": 32, "rope_parameters": THETA})
_gemma = _of("gemma", _GEMMA)
_gemma2 = _of("gemma2", {**_GEMMA, "query_pre_attn_scalar": 32, "sliding_window": 64})
_gemma3 = _of("gemma3_text", {
    **_GEMMA, "num_hidden_layers": 7, "query_pre_attn_scalar": 32, "sliding_window": 64,
    "rope_parameters": _GEMMA3_ROPE,
})  # fmt: skip
_phi = _of("phi", {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 256,
    "max_position_embeddings": 512, "rope_parameters": {**THETA, "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
})  # fmt: skip
_phi3 = _of("phi3", {**DENSE, "rope_parameters": {**THETA, "rope_theta": 10000.0}, "sliding_window": None})
_starcoder2 = _of("starcoder2", {
    **DENSE, "rope_parameters": THETA, "sliding_window": None, "use_bias": True, "tie_word_embeddings": True,
})  # fmt: skip
_stablelm = _of("stablelm", {
    **DENSE, "rope_parameters": {**THETA, "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    "tie_word_embeddings": False,
})  # fmt: skip
_gpt2 = _of("gpt2", _GPT2)
_neox = _of("gpt_neox", _NEOX)
_falcon = _of("falcon", _FALCON)
_olmo2 = _of("olmo2", {**DENSE, "rope_parameters": THETA, "tie_word_embeddings": False})
_granite = _of("granite", {
    **DENSE, "rope_parameters": _THETA_10K, "attention_multiplier": 0.125, "embedding_multiplier": 12.0,
    "residual_multiplier": 0.22, "logits_scaling": 8.0, "tie_word_embeddings": True,
})  # fmt: skip
_bert = _of("bert", _BERT)

_SPM: Params = {"vocabulary": "spm:llama", "pad": 0}
_SPM_GEMMA: Params = {"vocabulary": "spm:gemma", "pad": 0}
_LONG: Params = {"max_position_embeddings": 131072}
_DEFAULTS: Params = {
    "rope_parameters": _THETA_10K, "num_key_value_heads": 4, "rms_norm_eps": 1e-6, "head_dim": 16,
    "attention_bias": False, "mlp_bias": False,
}  # fmt: skip

NAMED: tuple[Case, ...] = (
    _llama("llama"),
    _llama("llama_tied", TIED),
    _llama("llama_mha", {"num_key_value_heads": 4}),
    _llama("llama_modern", vocabulary="llama-bpe", modern=True),
    _llama("llama_minimal", _DEFAULTS, drop=(*_DEFAULTS, "rope_theta")),
    _llama("llama_attention_bias", {"attention_bias": True}),
    _llama("llama_mlp_bias", {"mlp_bias": True}),
    _llama("llama_head_dim", {"head_dim": 32}),
    _llama("llama_rope_linear", {"rope_parameters": _LINEAR}),
    _llama("llama_rope_llama3_x8", {"rope_parameters": _LLAMA3, **_LONG}, "llama-bpe"),
    _llama("llama_rope_llama3_x32", {"rope_parameters": {**_LLAMA3, "factor": 32.0}, **_LONG, **TIED}, "llama-bpe"),
    _llama("llama_rope_llama3_modern", {"rope_parameters": _LLAMA3, **_LONG}, "llama-bpe", modern=True),
    _llama("llama_rope_yarn", {"rope_parameters": _YARN}),
    _llama("llama_rope_yarn_betas", {"rope_parameters": _YARN_BETAS}),
    _llama("llama_spm", {"rope_parameters": _THETA_10K}, **_SPM),
    _llama("llama_f16", dtype="float16"),
    _llama("llama_bf16", dtype="bfloat16"),
    _llama("llama_sharded", shards=True),
    _llama("llama_base", rewrite="base model", extra={"architectures": ["LlamaModel"]}),
    _llama("llama_published", rewrite="published llama"),
    _llama("llama_several_ends", vocabulary="llama-bpe", extra={"eos_token_id": [557, 558]}),
    _llama("llama_template_file", vocabulary="llama-bpe", files="template file"),
    _llama("llama_templates", files="templates"),
    _llama("llama_token_objects", vocabulary="llama-bpe", files="objects"),
    _llama("llama_added_tokens", files="added", pad=8),
    _llama("llama_bare_tokenizer", files="bare"),
    _llama("llama_old_merges", files="old merges"),
    _llama("llama_linear_old_type", {"rope_parameters": _LINEAR}, extra={"rope_scaling": _OLD_LINEAR}),
    _mistral("mistral_head_dim", {"head_dim": 32}, "llama-bpe"),
    _mistral("mistral", **_SPM),
    _mistral("mistral_window", {"sliding_window": 32}, **_SPM, lost=("sliding_window",)),
    _mixtral("mixtral", **_SPM),
    _qwen2("qwen2"),
    _qwen2("qwen2_tied", TIED, dtype="bfloat16"),
    _qwen2("qwen2_base", rewrite="base model", extra={"architectures": ["Qwen2Model"]}),
    _qwen2("qwen2_modern", modern=True),
    _qwen2("qwen2_unused_window", extra={"sliding_window": 64, "use_sliding_window": False, "max_window_layers": 1}),
    _qwen2("qwen2_yarn", {"rope_parameters": _YARN}),
    _qwen2("qwen2_yarn_old_type", {"rope_parameters": _YARN}, extra={"rope_scaling": _OLD_YARN}),
    _qwen2moe("qwen2moe"),
    _qwen3("qwen3_head_dim_128", {"head_dim": 128}),
    _qwen3("qwen3_head_dim_32", {"head_dim": 32, **TIED}),
    _qwen3moe("qwen3moe"),
    _qwen3moe("qwen3moe_fused", rewrite="fused experts"),
    _qwen3moe("qwen3moe_unnormalised", {"norm_topk_prob": False}, lost=("norm_topk_prob",)),
    _gemma("gemma", **_SPM_GEMMA),
    _gemma("gemma_head_stored", **_SPM_GEMMA, rewrite="head stored"),
    _gemma2("gemma2", **_SPM_GEMMA),
    _gemma2("gemma2_bf16", **_SPM_GEMMA, dtype="bfloat16"),
    _gemma2("gemma2_27b", {
        "hidden_size": 32, "head_dim": 16, "num_hidden_layers": 46, "query_pre_attn_scalar": 8,
    }, **_SPM_GEMMA),
    _gemma2("gemma2_other_scalar", {"query_pre_attn_scalar": 24}, **_SPM_GEMMA, lost=("query_pre_attn_scalar",)),
    _gemma3("gemma3", **_SPM_GEMMA),
    _gemma3("gemma3_rope_x8", {"rope_parameters": _GEMMA3_ROPE8}, **_SPM_GEMMA),
    _gemma3("gemma3_modern", {"rope_parameters": _GEMMA3_ROPE8}, **_SPM_GEMMA, modern=True),
    _gemma3("gemma3_padded", vocabulary="spm:gemma", pad=8),
    _phi("phi2", vocabulary="gpt-2"),
    _phi("phi2_gqa", {"num_key_value_heads": 2}, "gpt-2"),
    _phi3("phi3", vocabulary="spm:phi3"),
    _phi3("phi3_window", {"sliding_window": 64}, "spm:phi3"),
    _phi3("phi3_longrope", _longrope(4096, 131072), "spm:phi3"),
    _phi3("phi3_longrope_modern", _longrope(4096, 131072), "spm:phi3", modern=True),
    _phi3("phi3_longrope_long", _longrope(64, 512), "spm:phi3"),
    _phi3("phi4", vocabulary="qwen2", files="gpt2 class"),
    _phi3("phi4_mini", {
        **_longrope(4096, 131072, 6), "partial_rotary_factor": 0.75, **TIED,
    }, vocabulary="qwen2", files="gpt2 class"),
    _gpt2("gpt2", {"n_positions": 1024}, "gpt-2", extra={"n_ctx": 1024}),
    _gpt2("gpt2_other_context", {"n_positions": 320}, "gpt-2", extra={"n_ctx": 320}),
    _gpt2("gpt2_published", {
        "n_positions": 1024,
    }, "gpt-2", extra={"n_ctx": 1024}, rewrite="published gpt2", unwritten="it cannot map h.0.attn.bias"),
    _neox("gptneox", {
        "use_parallel_residual": True, "rope_parameters": {**_THETA_10K, "partial_rotary_factor": 0.25},
    }, "gpt-2"),
    _neox("gptneox_published", {
        "use_parallel_residual": True, "rope_parameters": {**_THETA_10K, "partial_rotary_factor": 0.25},
    }, "gpt-2", rewrite="published gptneox"),
    _neox("gptneox_sequential", {
        "use_parallel_residual": False, "intermediate_size": 96,
        "rope_parameters": {**_THETA_10K, "partial_rotary_factor": 1.0},
    }, "gpt-2"),
    _falcon("falcon_7b", {
        "new_decoder_architecture": False, "multi_query": True, "parallel_attn": True,
    }, "gpt-2", extra={"num_kv_heads": 1}),
    _falcon("falcon_40b", {"new_decoder_architecture": True, "num_kv_heads": 2}, "gpt-2"),
    _falcon("falcon_11b", {
        "new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1,
    }, "gpt-2"),
    _starcoder2("starcoder2", vocabulary="starcoder"),
    _starcoder2("starcoder2_window", {"sliding_window": 32}, "starcoder", lost=("sliding_window",)),
    _stablelm("stablelm"),
    _stablelm("stablelm_modern", modern=True),
    _stablelm("stablelm_qkv_bias", {"use_qkv_bias": True}),
    _stablelm("stablelm_parallel", {"use_parallel_residual": True}),
    _stablelm("stablelm_parallel_qk_norm", {
        "use_parallel_residual": True, "qk_layernorm": True,
    }, unwritten="it returns the stacked norms from a generator, where they are lost"),
    _olmo2("olmo2", vocabulary="gpt-2"),
    _granite("granite", vocabulary="starcoder"),
    _bert("bert", vocabulary="bert-bge", pad=0),
    _bert("bert_published", vocabulary="bert-bge", pad=0, rewrite="published bert"),
    _bert("bert_first_token_pooling", vocabulary="bert-bge", pad=0, pooling=True),
)  # fmt: skip

CASES = (*NAMED, *FURTHER)

# Not in the matrix: rows of 256 values, which the block types with common scales need.
WIDE = _llama("llama_wide", {"hidden_size": 256, "intermediate_size": 512, **TIED})
