"""Families with RMS norms and a gated feed-forward part, experts included."""

from __future__ import annotations

from hub.architectures._blocks import (
    ENDS,
    EXPERTS,
    GELU_TANH,
    HEAD_DIM,
    LAYER,
    LLAMA,
    MHA,
    ONE_THETA,
    PLAIN,
    PRE_POST,
    QK_HEAD_NORMS,
    RELU2,
    ROPE,
    SANDWICH,
    SILU,
    TIED,
    UNTIED,
    attention,
    gated_mlp,
    norms,
    plain_mlp,
    slots,
)
from hub.architectures._family import Family

OLMO2 = slots(
    ENDS,
    norms("post_attention_layernorm", "post_feedforward_layernorm"),
    attention("attention_bias", "attention_bias"),
    f"{LAYER}self_attn.q_norm.weight Q\n{LAYER}self_attn.k_norm.weight K",
    gated_mlp(),
)

FAMILIES = (
    Family(
        "llama",
        ("LlamaForCausalLM", "LLaMAForCausalLM", "LlamaModel"),
        LLAMA,
        defaults={**ROPE, **UNTIED, **SILU, "attention_bias": False, "mlp_bias": False},
        derived=MHA | HEAD_DIM,
        states=SILU,
    ),
    Family(
        "mistral",
        ("MistralForCausalLM", "MistralModel"),
        PLAIN,
        defaults={**ROPE, **UNTIED, **SILU, "num_key_value_heads": 8},
        derived=MHA | HEAD_DIM,
        states=SILU,
    ),
    Family(
        "mixtral",
        ("MixtralForCausalLM", "MixtralModel"),
        slots(
            ENDS,
            PRE_POST,
            attention(),
            f"""
            {LAYER}block_sparse_moe.gate.weight E,H
            {LAYER}block_sparse_moe.experts.{{e}}.w1.weight F,H
            {LAYER}block_sparse_moe.experts.{{e}}.w2.weight H,F
            {LAYER}block_sparse_moe.experts.{{e}}.w3.weight F,H
            """,
        ),
        defaults={**UNTIED, **SILU, "num_key_value_heads": 8, "rope_theta": 1e6, "num_experts": 8,
                  "num_experts_per_tok": 2},
        spelling={"num_experts": "num_local_experts"},
        states=SILU,
        norm=("rms_norm_eps", 1e-5),
    ),
    Family(
        "qwen2",
        ("Qwen2ForCausalLM", "Qwen2Model"),
        slots(ENDS, PRE_POST, attention("always"), gated_mlp()),
        defaults={**ROPE, **UNTIED, **SILU, "num_key_value_heads": 32},
        derived=MHA,
        states=SILU,
    ),
    Family(
        "qwen2_moe",
        ("Qwen2MoeForCausalLM", "Qwen2MoeModel"),
        slots(
            ENDS,
            PRE_POST,
            attention("qkv_bias"),
            EXPERTS,
            f"""
            {LAYER}mlp.shared_expert.gate_proj.weight S,H moe
            {LAYER}mlp.shared_expert.up_proj.weight S,H moe
            {LAYER}mlp.shared_expert.down_proj.weight H,S moe
            {LAYER}mlp.shared_expert_gate.weight 1,H moe
            """,
        ),
        defaults={**ROPE, **UNTIED, **SILU, "qkv_bias": True, "num_experts_per_tok": 4,
                  "norm_topk_prob": False, "num_key_value_heads": 16},
        derived=MHA,
        states={**SILU, "norm_topk_prob": False, "decoder_sparse_step": 1, "mlp_only_layers": []},
    ),
    Family(
        "qwen3",
        ("Qwen3ForCausalLM", "Qwen3Model"),
        slots(ENDS, PRE_POST, attention("attention_bias", "attention_bias"), QK_HEAD_NORMS, gated_mlp()),
        defaults={**ROPE, **UNTIED, **SILU, "num_key_value_heads": 32, "head_dim": 128,
                  "attention_bias": False},
        derived=MHA,
        states=SILU,
    ),
    Family(
        "qwen3_moe",
        ("Qwen3MoeForCausalLM", "Qwen3MoeModel"),
        slots(ENDS, PRE_POST, attention("attention_bias", "attention_bias"), QK_HEAD_NORMS, EXPERTS),
        defaults={**ROPE, **UNTIED, **SILU, "num_key_value_heads": 4, "attention_bias": False,
                  "num_experts_per_tok": 8, "norm_topk_prob": False},
        states={**SILU, "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []},
    ),
    Family(
        "gemma",
        ("GemmaForCausalLM", "GemmaModel"),
        PLAIN,
        defaults={**ROPE, **TIED, **GELU_TANH, "num_key_value_heads": 16, "head_dim": 256},
        states=GELU_TANH,
    ),
    Family(
        "gemma2",
        ("Gemma2ForCausalLM", "Gemma2Model"),
        slots(ENDS, SANDWICH, attention(), gated_mlp()),
        defaults={**ROPE, **TIED, **GELU_TANH, "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096,
                  "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
        spelling={"hidden_act": "hidden_activation"},
        states=GELU_TANH,
    ),
    Family(
        "gemma3_text",
        ("Gemma3ForCausalLM", "Gemma3TextModel", "Gemma3ForConditionalGeneration"),
        slots(ENDS, SANDWICH, attention(), QK_HEAD_NORMS, gated_mlp()),
        defaults={**TIED, **GELU_TANH, "rope_theta": 1e6, "rope_local_base_freq": 1e4, "num_attention_heads": 8,
                  "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096, "query_pre_attn_scalar": 256,
                  "max_position_embeddings": 131072, "vocab_size": 262208},
        spelling={"hidden_act": "hidden_activation"},
        states=GELU_TANH,
        prefixes=(("model.language_model.", "model."), ("language_model.", "")),
    ),
    Family(
        "phi3",
        ("Phi3ForCausalLM", "Phi3Model"),
        slots(
            ENDS,
            PRE_POST,
            f"""
            {LAYER}self_attn.qkv_proj.weight Q+2*K,H
            {LAYER}self_attn.o_proj.weight H,Q
            {LAYER}mlp.gate_up_proj.weight 2*F,H
            {LAYER}mlp.down_proj.weight H,F
            """,
        ),
        defaults={**ROPE, **UNTIED, **SILU, "partial_rotary_factor": 1.0,
                  "original_max_position_embeddings": 4096},
        derived=MHA,
        states=SILU,
        norm=("rms_norm_eps", 1e-5),
    ),
    Family(
        "olmo2",
        ("Olmo2ForCausalLM", "Olmo2Model"),
        OLMO2,
        defaults={**ROPE, **UNTIED, **SILU, "attention_bias": False},
        derived=MHA,
        states=SILU,
        norm=("rms_norm_eps", 1e-5),
    ),
    Family(
        "olmo3",
        ("Olmo3ForCausalLM", "Olmo3Model"),
        OLMO2,
        norm=("rms_norm_eps", 1e-5),
        defaults={**UNTIED, **SILU, "rope_theta": 500000.0, "attention_bias": False, "sliding_window": 4096},
        derived=MHA | ONE_THETA,
        states=SILU,
    ),
    Family(
        "exaone4",
        ("Exaone4ForCausalLM", "Exaone4Model"),
        slots(
            ENDS,
            norms("post_attention_layernorm", "post_feedforward_layernorm"),
            attention(),
            QK_HEAD_NORMS,
            gated_mlp(),
        ),
        norm=("rms_norm_eps", 1e-5),
        defaults={**ROPE, **UNTIED, **SILU, "num_key_value_heads": 32, "sliding_window": 4096},
        derived=MHA,
        states=SILU,
    ),
    Family(
        "granite",
        ("GraniteForCausalLM", "GraniteModel"),
        LLAMA,
        defaults={**ROPE, **UNTIED, **SILU, "attention_bias": False, "mlp_bias": False,
                  "embedding_multiplier": 1.0, "logits_scaling": 1.0, "residual_multiplier": 1.0,
                  "attention_multiplier": 1.0},
        derived=MHA,
        states=SILU,
    ),
    Family(
        "smollm3",
        ("SmolLM3ForCausalLM", "SmolLM3Model"),
        LLAMA,
        defaults={**TIED, **SILU, "rope_theta": 2e6, "num_key_value_heads": 4, "attention_bias": False,
                  "mlp_bias": False},
        derived=MHA,
        states={**SILU, "no_rope_layer_interval": 4},
    ),
    Family(
        "seed_oss",
        ("SeedOssForCausalLM", "SeedOssModel"),
        slots(ENDS, PRE_POST, attention("attention_bias", "attention_out_bias"), gated_mlp("mlp_bias")),
        defaults={**ROPE, **UNTIED, **SILU, "num_key_value_heads": 8, "head_dim": 128, "attention_bias": True,
                  "attention_out_bias": False, "mlp_bias": False},
        derived=MHA,
        states=SILU,
    ),
    Family(
        "arcee",
        ("ArceeForCausalLM", "ArceeModel"),
        slots(ENDS, PRE_POST, attention("attention_bias", "attention_bias"), plain_mlp("mlp_bias")),
        norm=("rms_norm_eps", 1e-5),
        defaults={**ROPE, **UNTIED, **RELU2, "attention_bias": False, "mlp_bias": False},
        derived=MHA | HEAD_DIM,
        states=RELU2,
    ),
    Family(
        "olmo",
        ("OlmoForCausalLM", "OlmoModel"),
        slots(
            "model.embed_tokens.weight V,H\nlm_head.weight V,H !tie_word_embeddings",
            attention("attention_bias", "attention_bias"),
            gated_mlp(),
        ),
        norm=("layer_norm_eps", 1e-5),
        defaults={**ROPE, **UNTIED, **SILU, "attention_bias": False},
        derived=MHA,
        states=SILU,
    ),
    Family(
        "olmoe",
        ("OlmoeForCausalLM", "OlmoeModel"),
        slots(
            ENDS,
            PRE_POST,
            attention("attention_bias", "attention_bias"),
            f"""
            {LAYER}self_attn.q_norm.weight Q
            {LAYER}self_attn.k_norm.weight K
            {LAYER}mlp.gate.weight E,H
            {LAYER}mlp.experts.{{e}}.gate_proj.weight F,H
            {LAYER}mlp.experts.{{e}}.up_proj.weight F,H
            {LAYER}mlp.experts.{{e}}.down_proj.weight H,F
            """,
        ),
        norm=("rms_norm_eps", 1e-5),
        defaults={**ROPE, **UNTIED, **SILU, "attention_bias": False, "num_experts_per_tok": 8,
                  "norm_topk_prob": False},
        derived=MHA,
        states={**SILU, "norm_topk_prob": False},
    ),
    Family(
        "cohere",
        ("CohereForCausalLM", "CohereModel"),
        slots(
            ENDS,
            norms("input_layernorm"),
            attention("attention_bias", "attention_bias"),
            f"{LAYER}self_attn.q_norm.weight N,D use_qk_norm\n{LAYER}self_attn.k_norm.weight G,D use_qk_norm",
            gated_mlp(),
        ),
        norm=("layer_norm_eps", 1e-5),
        defaults={**TIED, **SILU, "rope_theta": 500000.0, "attention_bias": False, "use_qk_norm": False,
                  "logit_scale": 0.0625},
        derived=MHA,
        states=SILU,
    ),
    Family(
        "cohere2",
        ("Cohere2ForCausalLM", "Cohere2Model"),
        slots(ENDS, norms("input_layernorm"), attention(), gated_mlp()),
        norm=("layer_norm_eps", 1e-5),
        defaults={**ROPE, **TIED, **SILU, "logit_scale": 0.0625, "sliding_window": 4096, "partial_rotary_factor": 1.0},
        derived=MHA | HEAD_DIM,
        spelling={"partial_rotary_factor": "rotary_pct"},
        states=SILU,
    ),
    Family(
        "glm4",
        ("Glm4ForCausalLM", "Glm4Model"),
        slots(
            ENDS,
            PRE_POST,
            norms("post_self_attn_layernorm", "post_mlp_layernorm"),
            attention("attention_bias"),
            f"{LAYER}mlp.gate_up_proj.weight 2*F,H\n{LAYER}mlp.down_proj.weight H,F",
        ),
        norm=("rms_norm_eps", 1.5625e-07),
        defaults={**ROPE, **UNTIED, **SILU, "num_key_value_heads": 2, "head_dim": 128, "attention_bias": True,
                  "partial_rotary_factor": 0.5},
        states=SILU,
    ),
    Family(
        "ernie4_5",
        ("Ernie4_5ForCausalLM", "Ernie4_5Model"),
        slots(ENDS, PRE_POST, attention("use_bias", "use_bias"), gated_mlp("use_bias")),
        norm=("rms_norm_eps", 1e-5),
        defaults={**TIED, **SILU, "rope_theta": 500000.0, "num_key_value_heads": 2, "head_dim": 128,
                  "use_bias": False},
        states=SILU,
    ),
)  # fmt: skip
