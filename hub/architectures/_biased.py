"""Families with layer norms and biases."""

from __future__ import annotations

from hub.architectures._blocks import (
    FOUR_HIDDEN,
    GELU_TANH,
    HEAD_DIM,
    LAYER,
    MHA,
    RELU2,
    ROPE,
    SILU,
    TIED,
    UNTIED,
    attention,
    gated_mlp,
    plain_mlp,
    slots,
)
from hub.architectures._family import Family
from hub.ir import Config


def _falcon_kv_heads(config: Config) -> int:
    one = config.fact("multi_query", bool) and not config.fact("new_decoder_architecture", bool)
    return 1 if one else config.num_kv_heads


def _bigcode_kv_heads(config: Config) -> int:
    return 1 if config.fact("multi_query", bool) else config.require("num_attention_heads", int)


FAMILIES = (
    Family(
        "phi",
        ("PhiForCausalLM", "PhiModel"),
        slots(
            f"""
            model.embed_tokens.weight V,H
            {LAYER}input_layernorm.weight H
            {LAYER}input_layernorm.bias H
            {LAYER}mlp.fc1.weight F,H
            {LAYER}mlp.fc1.bias F
            {LAYER}mlp.fc2.weight H,F
            {LAYER}mlp.fc2.bias H
            {LAYER}self_attn.q_layernorm.weight D qk_layernorm
            {LAYER}self_attn.q_layernorm.bias D qk_layernorm
            {LAYER}self_attn.k_layernorm.weight D qk_layernorm
            {LAYER}self_attn.k_layernorm.bias D qk_layernorm
            model.final_layernorm.weight H
            model.final_layernorm.bias H
            lm_head.weight V,H !tie_word_embeddings
            lm_head.bias V
            """,
            attention("always", "always", out="dense"),
        ),
        defaults={**ROPE, **UNTIED, "hidden_act": "gelu_new", "partial_rotary_factor": 0.5,
                  "qk_layernorm": False},
        derived=MHA,
        states={"hidden_act": "gelu_new", "qk_layernorm": False},
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "gpt2",
        ("GPT2LMHeadModel", "GPT2Model"),
        slots(
            """
            transformer.wte.weight V,H
            transformer.wpe.weight P,H
            transformer.h.{i}.ln_1.weight H
            transformer.h.{i}.ln_1.bias H
            transformer.h.{i}.attn.c_attn.weight H,3*H
            transformer.h.{i}.attn.c_attn.bias 3*H
            transformer.h.{i}.attn.c_proj.weight H,H
            transformer.h.{i}.attn.c_proj.bias H
            transformer.h.{i}.ln_2.weight H
            transformer.h.{i}.ln_2.bias H
            transformer.h.{i}.mlp.c_fc.weight H,F
            transformer.h.{i}.mlp.c_fc.bias F
            transformer.h.{i}.mlp.c_proj.weight F,H
            transformer.h.{i}.mlp.c_proj.bias H
            transformer.ln_f.weight H
            transformer.ln_f.bias H
            lm_head.weight V,H !tie_word_embeddings
            """
        ),
        defaults={**TIED, "hidden_act": "gelu_new"},
        derived=FOUR_HIDDEN,
        spelling={"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
                  "max_position_embeddings": "n_positions", "intermediate_size": "n_inner",
                  "layer_norm_eps": "layer_norm_epsilon", "hidden_act": "activation_function"},
        states={"hidden_act": "gelu_new"},
        head=("lm_head.weight", "transformer.wte.weight"),
        computed=(".attn.bias", ".attn.masked_bias"),
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "gpt_neox",
        ("GPTNeoXForCausalLM", "GPTNeoXModel"),
        slots(
            """
            gpt_neox.embed_in.weight V,H
            gpt_neox.layers.{i}.input_layernorm.weight H
            gpt_neox.layers.{i}.input_layernorm.bias H
            gpt_neox.layers.{i}.post_attention_layernorm.weight H
            gpt_neox.layers.{i}.post_attention_layernorm.bias H
            gpt_neox.layers.{i}.attention.query_key_value.weight 3*H,H
            gpt_neox.layers.{i}.attention.query_key_value.bias 3*H attention_bias
            gpt_neox.layers.{i}.attention.dense.weight H,H
            gpt_neox.layers.{i}.attention.dense.bias H attention_bias
            gpt_neox.layers.{i}.mlp.dense_h_to_4h.weight F,H
            gpt_neox.layers.{i}.mlp.dense_h_to_4h.bias F
            gpt_neox.layers.{i}.mlp.dense_4h_to_h.weight H,F
            gpt_neox.layers.{i}.mlp.dense_4h_to_h.bias H
            gpt_neox.final_layer_norm.weight H
            gpt_neox.final_layer_norm.bias H
            embed_out.weight V,H !tie_word_embeddings
            """
        ),
        defaults={**ROPE, **UNTIED, "hidden_act": "gelu", "partial_rotary_factor": 0.25, "attention_bias": True,
                  "use_parallel_residual": True},
        spelling={"partial_rotary_factor": "rotary_pct", "rope_theta": "rotary_emb_base"},
        states={"hidden_act": "gelu"},
        head=("embed_out.weight", "gpt_neox.embed_in.weight"),
        computed=(".attention.masked_bias", ".attention.bias", ".rotary_emb.inv_freq"),
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "falcon",
        ("FalconForCausalLM", "RWForCausalLM", "FalconModel"),
        slots(
            """
            transformer.word_embeddings.weight V,H
            transformer.h.{i}.input_layernorm.weight H !two_norms
            transformer.h.{i}.input_layernorm.bias H !two_norms
            transformer.h.{i}.ln_attn.weight H two_norms
            transformer.h.{i}.ln_attn.bias H two_norms
            transformer.h.{i}.ln_mlp.weight H two_norms
            transformer.h.{i}.ln_mlp.bias H two_norms
            transformer.h.{i}.post_attention_layernorm.weight H !two_norms&!parallel_attn
            transformer.h.{i}.post_attention_layernorm.bias H !two_norms&!parallel_attn
            transformer.h.{i}.self_attention.query_key_value.weight Q+2*K,H
            transformer.h.{i}.self_attention.query_key_value.bias Q+2*K bias
            transformer.h.{i}.self_attention.dense.weight H,Q
            transformer.h.{i}.self_attention.dense.bias H bias
            transformer.h.{i}.mlp.dense_h_to_4h.weight F,H
            transformer.h.{i}.mlp.dense_h_to_4h.bias F bias
            transformer.h.{i}.mlp.dense_4h_to_h.weight H,F
            transformer.h.{i}.mlp.dense_4h_to_h.bias H bias
            transformer.ln_f.weight H
            transformer.ln_f.bias H
            lm_head.weight V,H !tie_word_embeddings
            """
        ),
        defaults={**ROPE, **TIED, "hidden_act": "gelu", "bias": False, "parallel_attn": True, "multi_query": True,
                  "new_decoder_architecture": False, "alibi": False, "max_position_embeddings": 2048},
        derived=FOUR_HIDDEN | {"num_key_value_heads": _falcon_kv_heads},
        spelling={"num_key_value_heads": "num_kv_heads", "intermediate_size": "ffn_hidden_size",
                  "layer_norm_eps": "layer_norm_epsilon", "hidden_act": "activation"},
        states={"hidden_act": "gelu", "parallel_attn": True, "alibi": False},
        head=("lm_head.weight", "transformer.word_embeddings.weight"),
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "starcoder2",
        ("Starcoder2ForCausalLM", "Starcoder2Model"),
        slots(
            f"""
            model.embed_tokens.weight V,H
            {LAYER}input_layernorm.weight H
            {LAYER}input_layernorm.bias H
            {LAYER}post_attention_layernorm.weight H
            {LAYER}post_attention_layernorm.bias H
            {LAYER}mlp.c_fc.weight F,H
            {LAYER}mlp.c_fc.bias F use_bias
            {LAYER}mlp.c_proj.weight H,F
            {LAYER}mlp.c_proj.bias H use_bias
            model.norm.weight H
            model.norm.bias H
            lm_head.weight V,H !tie_word_embeddings
            """,
            attention("use_bias", "use_bias"),
        ),
        defaults={**ROPE, **TIED, **GELU_TANH, "num_key_value_heads": 2, "use_bias": True},
        spelling={"layer_norm_eps": "norm_epsilon"},
        states=GELU_TANH,
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "stablelm",
        ("StableLmForCausalLM", "StableLMEpochForCausalLM", "StableLmModel"),
        slots(
            f"""
            model.embed_tokens.weight V,H
            {LAYER}input_layernorm.weight H
            {LAYER}input_layernorm.bias H
            {LAYER}post_attention_layernorm.weight H !use_parallel_residual
            {LAYER}post_attention_layernorm.bias H !use_parallel_residual
            {LAYER}self_attn.q_layernorm.norms.{{h}}.weight D qk_layernorm
            {LAYER}self_attn.k_layernorm.norms.{{g}}.weight D qk_layernorm
            model.norm.weight H
            model.norm.bias H
            lm_head.weight V,H !tie_word_embeddings
            """,
            attention("use_qkv_bias"),
            gated_mlp(),
        ),
        defaults={**ROPE, **UNTIED, **SILU, "num_key_value_heads": 32, "partial_rotary_factor": 0.25,
                  "use_qkv_bias": False, "qk_layernorm": False, "use_parallel_residual": False},
        states=SILU,
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "bert",
        ("BertModel", "BertForMaskedLM", "BertForSequenceClassification", "CamembertModel"),
        slots(
            """
            embeddings.word_embeddings.weight V,H
            embeddings.position_embeddings.weight P,H
            embeddings.token_type_embeddings.weight T,H
            embeddings.LayerNorm.weight H
            embeddings.LayerNorm.bias H
            encoder.layer.{i}.attention.self.query.weight H,H
            encoder.layer.{i}.attention.self.query.bias H
            encoder.layer.{i}.attention.self.key.weight H,H
            encoder.layer.{i}.attention.self.key.bias H
            encoder.layer.{i}.attention.self.value.weight H,H
            encoder.layer.{i}.attention.self.value.bias H
            encoder.layer.{i}.attention.output.dense.weight H,H
            encoder.layer.{i}.attention.output.dense.bias H
            encoder.layer.{i}.attention.output.LayerNorm.weight H
            encoder.layer.{i}.attention.output.LayerNorm.bias H
            encoder.layer.{i}.intermediate.dense.weight F,H
            encoder.layer.{i}.intermediate.dense.bias F
            encoder.layer.{i}.output.dense.weight H,F
            encoder.layer.{i}.output.dense.bias H
            encoder.layer.{i}.output.LayerNorm.weight H
            encoder.layer.{i}.output.LayerNorm.bias H
            pooler.dense.weight H,H maybe
            pooler.dense.bias H maybe
            """
        ),
        defaults={"hidden_act": "gelu", "type_vocab_size": 2},
        states={"hidden_act": "gelu"},
        head=None,
        prefixes=(("bert.", ""),),
        endings=((".gamma", ".weight"), (".beta", ".bias")),  # as the first BERTs have them
        computed=("embeddings.position_ids",),
        norm=("layer_norm_eps", 1e-12),
    ),
    Family(
        "nemotron",
        ("NemotronForCausalLM", "NemotronModel"),
        slots(
            f"""
            model.embed_tokens.weight V,H
            {LAYER}input_layernorm.weight H
            {LAYER}input_layernorm.bias H
            {LAYER}post_attention_layernorm.weight H
            {LAYER}post_attention_layernorm.bias H
            model.norm.weight H
            model.norm.bias H
            lm_head.weight V,H !tie_word_embeddings
            """,
            attention("attention_bias", "attention_bias"),
            plain_mlp("mlp_bias"),
        ),
        norm=("layer_norm_eps", 1e-5),
        defaults={**ROPE, **UNTIED, **RELU2, "partial_rotary_factor": 0.5, "attention_bias": False, "mlp_bias": False},
        derived=HEAD_DIM,
        spelling={"layer_norm_eps": "norm_eps"},
        states=RELU2,
    ),
    Family(
        "bloom",
        ("BloomForCausalLM", "BloomModel"),
        slots(
            """
            transformer.word_embeddings.weight V,H
            transformer.word_embeddings_layernorm.weight H
            transformer.word_embeddings_layernorm.bias H
            transformer.h.{i}.input_layernorm.weight H
            transformer.h.{i}.input_layernorm.bias H
            transformer.h.{i}.post_attention_layernorm.weight H
            transformer.h.{i}.post_attention_layernorm.bias H
            transformer.h.{i}.self_attention.query_key_value.weight 3*H,H
            transformer.h.{i}.self_attention.query_key_value.bias 3*H
            transformer.h.{i}.self_attention.dense.weight H,H
            transformer.h.{i}.self_attention.dense.bias H
            transformer.h.{i}.mlp.dense_h_to_4h.weight 4*H,H
            transformer.h.{i}.mlp.dense_h_to_4h.bias 4*H
            transformer.h.{i}.mlp.dense_4h_to_h.weight H,4*H
            transformer.h.{i}.mlp.dense_4h_to_h.bias H
            transformer.ln_f.weight H
            transformer.ln_f.bias H
            lm_head.weight V,H !tie_word_embeddings
            """
        ),
        norm=("layer_norm_eps", 1e-5),
        defaults={**TIED, "apply_residual_connection_post_layernorm": False},
        spelling={"num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
                  "layer_norm_eps": "layer_norm_epsilon"},
        states={"apply_residual_connection_post_layernorm": False},
        head=("lm_head.weight", "transformer.word_embeddings.weight"),
    ),
    Family(
        "gpt_bigcode",
        ("GPTBigCodeForCausalLM", "GPTBigCodeModel"),
        slots(
            """
            transformer.wte.weight V,H
            transformer.wpe.weight P,H
            transformer.h.{i}.ln_1.weight H
            transformer.h.{i}.ln_1.bias H
            transformer.h.{i}.attn.c_attn.weight Q+2*K,H
            transformer.h.{i}.attn.c_attn.bias Q+2*K
            transformer.h.{i}.attn.c_proj.weight H,H
            transformer.h.{i}.attn.c_proj.bias H
            transformer.h.{i}.ln_2.weight H
            transformer.h.{i}.ln_2.bias H
            transformer.h.{i}.mlp.c_fc.weight F,H
            transformer.h.{i}.mlp.c_fc.bias F
            transformer.h.{i}.mlp.c_proj.weight H,F
            transformer.h.{i}.mlp.c_proj.bias H
            transformer.ln_f.weight H
            transformer.ln_f.bias H
            lm_head.weight V,H !tie_word_embeddings
            """
        ),
        norm=("layer_norm_eps", 1e-5),
        defaults={**TIED, **GELU_TANH, "multi_query": True},
        derived=FOUR_HIDDEN | {"num_key_value_heads": _bigcode_kv_heads},
        spelling={"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
                  "max_position_embeddings": "n_positions", "intermediate_size": "n_inner",
                  "layer_norm_eps": "layer_norm_epsilon", "hidden_act": "activation_function"},
        states={**GELU_TANH, "multi_query": True},
        head=("lm_head.weight", "transformer.wte.weight"),
        computed=(".attn.bias", ".attn.masked_bias"),
    ),
)  # fmt: skip
