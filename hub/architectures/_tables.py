"""The families, as tables. Source: the `modeling_*.py` and `configuration_*.py` of transformers 4.5x and 5.x.

A new family is a few lines: its blocks, or its own lines, and what its config.json leaves out or spells differently.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.architectures._family import Family, Slot
from hub.ir import Config

LAYER = "model.layers.{i}."

_MHA: dict[str, Callable[[Config], int]] = {"num_key_value_heads": lambda c: c.num_kv_heads}
_HEAD_DIM: dict[str, Callable[[Config], int]] = {"head_dim": lambda c: c.head_dim}
_FOUR_HIDDEN: dict[str, Callable[[Config], int]] = {
    "intermediate_size": lambda c: c.fact("intermediate_size", int) or 4 * c.require("hidden_size", int)
}
_ROPE = {"rope_theta": 10000.0}
_UNTIED = {"tie_word_embeddings": False}
_TIED = {"tie_word_embeddings": True}


def _falcon_kv_heads(config: Config) -> int:
    one = config.fact("multi_query", bool) and not config.fact("new_decoder_architecture", bool)
    return 1 if one else config.num_kv_heads


def _slots(*blocks: str) -> tuple[Slot, ...]:
    return tuple(Slot.parse(line) for block in blocks for line in block.splitlines() if line.strip())


def _norms(*names: str) -> str:
    return "\n".join(f"{LAYER}{name}.weight H" for name in names)


def _biases(lines: str, when: str) -> str:
    return "\n".join(f"{line} {'' if when == 'always' else when}" for line in lines.strip().splitlines() if when)


def _attention(qkv_bias: str = "", o_bias: str = "", out: str = "o_proj") -> str:
    qkv = f"{LAYER}self_attn.q_proj.bias Q\n{LAYER}self_attn.k_proj.bias K\n{LAYER}self_attn.v_proj.bias K"
    return f"""
    {LAYER}self_attn.q_proj.weight Q,H
    {LAYER}self_attn.k_proj.weight K,H
    {LAYER}self_attn.v_proj.weight K,H
    {LAYER}self_attn.{out}.weight H,Q
    {_biases(qkv, qkv_bias)}
    {_biases(f"{LAYER}self_attn.{out}.bias H", o_bias)}
    """


def _gated_mlp(bias: str = "") -> str:
    biases = f"{LAYER}mlp.gate_proj.bias F\n{LAYER}mlp.up_proj.bias F\n{LAYER}mlp.down_proj.bias H"
    return f"""
    {LAYER}mlp.gate_proj.weight F,H
    {LAYER}mlp.up_proj.weight F,H
    {LAYER}mlp.down_proj.weight H,F
    {_biases(biases, bias)}
    """


_ENDS = """
model.embed_tokens.weight V,H
model.norm.weight H
lm_head.weight V,H !tie_word_embeddings
"""

_QK_HEAD_NORMS = f"""
{LAYER}self_attn.q_norm.weight D
{LAYER}self_attn.k_norm.weight D
"""

_EXPERTS = f"""
{LAYER}mlp.gate.weight E,H moe
{LAYER}mlp.experts.{{e}}.gate_proj.weight M,H moe
{LAYER}mlp.experts.{{e}}.up_proj.weight M,H moe
{LAYER}mlp.experts.{{e}}.down_proj.weight H,M moe
{LAYER}mlp.gate_proj.weight F,H !moe
{LAYER}mlp.up_proj.weight F,H !moe
{LAYER}mlp.down_proj.weight H,F !moe
"""

_PRE_POST = _norms("input_layernorm", "post_attention_layernorm")
_SANDWICH = _norms(
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"
)
_LLAMA = _slots(_ENDS, _PRE_POST, _attention("attention_bias", "attention_bias"), _gated_mlp("mlp_bias"))
_PLAIN = _slots(_ENDS, _PRE_POST, _attention(), _gated_mlp())
_SILU = {"hidden_act": "silu"}
_GELU_TANH = {"hidden_act": "gelu_pytorch_tanh"}

_FAMILIES = (
    Family(
        "llama",
        ("LlamaForCausalLM", "LLaMAForCausalLM", "LlamaModel"),
        _LLAMA,
        defaults={**_ROPE, **_UNTIED, **_SILU, "attention_bias": False, "mlp_bias": False},
        derived=_MHA | _HEAD_DIM,
        states=_SILU,
    ),
    Family(
        "mistral",
        ("MistralForCausalLM", "MistralModel"),
        _PLAIN,
        defaults={**_ROPE, **_UNTIED, **_SILU, "num_key_value_heads": 8},
        derived=_MHA | _HEAD_DIM,
        states=_SILU,
    ),
    Family(
        "mixtral",
        ("MixtralForCausalLM", "MixtralModel"),
        _slots(
            _ENDS,
            _PRE_POST,
            _attention(),
            f"""
            {LAYER}block_sparse_moe.gate.weight E,H
            {LAYER}block_sparse_moe.experts.{{e}}.w1.weight F,H
            {LAYER}block_sparse_moe.experts.{{e}}.w2.weight H,F
            {LAYER}block_sparse_moe.experts.{{e}}.w3.weight F,H
            """,
        ),
        defaults={**_UNTIED, **_SILU, "num_key_value_heads": 8, "rope_theta": 1e6, "num_experts": 8,
                  "num_experts_per_tok": 2},
        spelling={"num_experts": "num_local_experts"},
        states=_SILU,
        norm=("rms_norm_eps", 1e-5),
    ),
    Family(
        "qwen2",
        ("Qwen2ForCausalLM", "Qwen2Model"),
        _slots(_ENDS, _PRE_POST, _attention("always"), _gated_mlp()),
        defaults={**_ROPE, **_UNTIED, **_SILU, "num_key_value_heads": 32},
        derived=_MHA,
        states=_SILU,
    ),
    Family(
        "qwen2_moe",
        ("Qwen2MoeForCausalLM", "Qwen2MoeModel"),
        _slots(
            _ENDS,
            _PRE_POST,
            _attention("qkv_bias"),
            _EXPERTS,
            f"""
            {LAYER}mlp.shared_expert.gate_proj.weight S,H moe
            {LAYER}mlp.shared_expert.up_proj.weight S,H moe
            {LAYER}mlp.shared_expert.down_proj.weight H,S moe
            {LAYER}mlp.shared_expert_gate.weight 1,H moe
            """,
        ),
        defaults={**_ROPE, **_UNTIED, **_SILU, "qkv_bias": True, "num_experts_per_tok": 4,
                  "norm_topk_prob": False, "num_key_value_heads": 16},
        derived=_MHA,
        states={**_SILU, "norm_topk_prob": False, "decoder_sparse_step": 1, "mlp_only_layers": []},
    ),
    Family(
        "qwen3",
        ("Qwen3ForCausalLM", "Qwen3Model"),
        _slots(_ENDS, _PRE_POST, _attention("attention_bias", "attention_bias"), _QK_HEAD_NORMS, _gated_mlp()),
        defaults={**_ROPE, **_UNTIED, **_SILU, "num_key_value_heads": 32, "head_dim": 128,
                  "attention_bias": False},
        derived=_MHA,
        states=_SILU,
    ),
    Family(
        "qwen3_moe",
        ("Qwen3MoeForCausalLM", "Qwen3MoeModel"),
        _slots(_ENDS, _PRE_POST, _attention("attention_bias", "attention_bias"), _QK_HEAD_NORMS, _EXPERTS),
        defaults={**_ROPE, **_UNTIED, **_SILU, "num_key_value_heads": 4, "attention_bias": False,
                  "num_experts_per_tok": 8, "norm_topk_prob": False},
        states={**_SILU, "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []},
    ),
    Family(
        "gemma",
        ("GemmaForCausalLM", "GemmaModel"),
        _PLAIN,
        defaults={**_ROPE, **_TIED, **_GELU_TANH, "num_key_value_heads": 16, "head_dim": 256},
        states=_GELU_TANH,
    ),
    Family(
        "gemma2",
        ("Gemma2ForCausalLM", "Gemma2Model"),
        _slots(_ENDS, _SANDWICH, _attention(), _gated_mlp()),
        defaults={**_ROPE, **_TIED, **_GELU_TANH, "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096,
                  "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
        spelling={"hidden_act": "hidden_activation"},
        states=_GELU_TANH,
    ),
    Family(
        "gemma3_text",
        ("Gemma3ForCausalLM", "Gemma3TextModel", "Gemma3ForConditionalGeneration"),
        _slots(_ENDS, _SANDWICH, _attention(), _QK_HEAD_NORMS, _gated_mlp()),
        defaults={**_TIED, **_GELU_TANH, "rope_theta": 1e6, "rope_local_base_freq": 1e4, "num_attention_heads": 8,
                  "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096, "query_pre_attn_scalar": 256,
                  "max_position_embeddings": 131072, "vocab_size": 262208},
        spelling={"hidden_act": "hidden_activation"},
        states=_GELU_TANH,
        prefixes=(("model.language_model.", "model."), ("language_model.", "")),
    ),
    Family(
        "phi",
        ("PhiForCausalLM", "PhiModel"),
        _slots(
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
            _attention("always", "always", out="dense"),
        ),
        defaults={**_ROPE, **_UNTIED, "hidden_act": "gelu_new", "partial_rotary_factor": 0.5,
                  "qk_layernorm": False},
        derived=_MHA,
        states={"hidden_act": "gelu_new", "qk_layernorm": False},
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "phi3",
        ("Phi3ForCausalLM", "Phi3Model"),
        _slots(
            _ENDS,
            _PRE_POST,
            f"""
            {LAYER}self_attn.qkv_proj.weight Q+2*K,H
            {LAYER}self_attn.o_proj.weight H,Q
            {LAYER}mlp.gate_up_proj.weight 2*F,H
            {LAYER}mlp.down_proj.weight H,F
            """,
        ),
        defaults={**_ROPE, **_UNTIED, **_SILU, "partial_rotary_factor": 1.0,
                  "original_max_position_embeddings": 4096},
        derived=_MHA,
        states=_SILU,
        norm=("rms_norm_eps", 1e-5),
    ),
    Family(
        "gpt2",
        ("GPT2LMHeadModel", "GPT2Model"),
        _slots(
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
        defaults={**_TIED, "hidden_act": "gelu_new"},
        derived=_FOUR_HIDDEN,
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
        _slots(
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
        defaults={**_ROPE, **_UNTIED, "hidden_act": "gelu", "partial_rotary_factor": 0.25, "attention_bias": True,
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
        _slots(
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
        defaults={**_ROPE, **_TIED, "hidden_act": "gelu", "bias": False, "parallel_attn": True, "multi_query": True,
                  "new_decoder_architecture": False, "alibi": False, "max_position_embeddings": 2048},
        derived=_FOUR_HIDDEN | {"num_key_value_heads": _falcon_kv_heads},
        spelling={"num_key_value_heads": "num_kv_heads", "intermediate_size": "ffn_hidden_size",
                  "layer_norm_eps": "layer_norm_epsilon", "hidden_act": "activation"},
        states={"hidden_act": "gelu", "parallel_attn": True, "alibi": False},
        head=("lm_head.weight", "transformer.word_embeddings.weight"),
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "starcoder2",
        ("Starcoder2ForCausalLM", "Starcoder2Model"),
        _slots(
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
            _attention("use_bias", "use_bias"),
        ),
        defaults={**_ROPE, **_TIED, **_GELU_TANH, "num_key_value_heads": 2, "use_bias": True},
        spelling={"layer_norm_eps": "norm_epsilon"},
        states=_GELU_TANH,
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "stablelm",
        ("StableLmForCausalLM", "StableLMEpochForCausalLM", "StableLmModel"),
        _slots(
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
            _attention("use_qkv_bias"),
            _gated_mlp(),
        ),
        defaults={**_ROPE, **_UNTIED, **_SILU, "num_key_value_heads": 32, "partial_rotary_factor": 0.25,
                  "use_qkv_bias": False, "qk_layernorm": False, "use_parallel_residual": False},
        states=_SILU,
        norm=("layer_norm_eps", 1e-5),
    ),
    Family(
        "olmo2",
        ("Olmo2ForCausalLM", "Olmo2Model"),
        _slots(
            _ENDS,
            _norms("post_attention_layernorm", "post_feedforward_layernorm"),
            _attention("attention_bias", "attention_bias"),
            f"{LAYER}self_attn.q_norm.weight Q\n{LAYER}self_attn.k_norm.weight K",
            _gated_mlp(),
        ),
        defaults={**_ROPE, **_UNTIED, **_SILU, "attention_bias": False},
        derived=_MHA,
        states=_SILU,
        norm=("rms_norm_eps", 1e-5),
    ),
    Family(
        "granite",
        ("GraniteForCausalLM", "GraniteModel"),
        _LLAMA,
        defaults={**_ROPE, **_UNTIED, **_SILU, "attention_bias": False, "mlp_bias": False,
                  "embedding_multiplier": 1.0, "logits_scaling": 1.0, "residual_multiplier": 1.0,
                  "attention_multiplier": 1.0},
        derived=_MHA,
        states=_SILU,
    ),
    Family(
        "bert",
        ("BertModel", "BertForMaskedLM", "BertForSequenceClassification", "CamembertModel"),
        _slots(
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
        computed=("embeddings.position_ids",),
        norm=("layer_norm_eps", 1e-12),
    ),
)  # fmt: skip

FAMILIES: dict[str, Family] = {family.model_type: family for family in _FAMILIES}
