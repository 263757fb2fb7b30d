"""Tensor names: Hugging Face's and GGUF's, each as a stem with numbered holes, and a suffix.

Source of the GGUF names: `gguf-py/gguf/constants.py` (TENSOR_NAMES) and `tensor_mapping.py` of llama.cpp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LAYERS = ("model.layers.{}.", "transformer.h.{}.", "gpt_neox.layers.{}.", "encoder.layer.{}.")

# Outside the layers.
WHOLE = {
    "model.embed_tokens": "token_embd",
    "transformer.wte": "token_embd",
    "transformer.word_embeddings": "token_embd",
    "gpt_neox.embed_in": "token_embd",
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "transformer.wpe": "position_embd",
    "transformer.word_embeddings_layernorm": "token_embd_norm",
    "model.norm": "output_norm",
    "model.final_layernorm": "output_norm",
    "transformer.ln_f": "output_norm",
    "gpt_neox.final_layer_norm": "output_norm",
    "lm_head": "output",
    "embed_out": "output",
}

# Inside a layer. A family whose words mean something else says so in its architecture's `names`.
INNER = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "post_self_attn_layernorm": "post_attention_norm",
    "post_mlp_layernorm": "post_ffw_norm",
    "ln_1": "attn_norm",
    "ln_2": "ffn_norm",
    "ln_mlp": "attn_norm",
    "ln_attn": "attn_norm_2",
    "attention.output.LayerNorm": "attn_output_norm",
    "output.LayerNorm": "layer_output_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.dense": "attn_output",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.q_layernorm.norms.{}": "attn_q_norm",
    "self_attn.k_layernorm.norms.{}": "attn_k_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "attention.query_key_value": "attn_qkv",
    "attention.dense": "attn_output",
    "self_attention.query_key_value": "attn_qkv",
    "self_attention.dense": "attn_output",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "mlp.dense_h_to_4h": "ffn_up",
    "mlp.dense_4h_to_h": "ffn_down",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "block_sparse_moe.gate": "ffn_gate_inp",
    "block_sparse_moe.experts.{}.w1": "ffn_gate_exps",
    "block_sparse_moe.experts.{}.w2": "ffn_down_exps",
    "block_sparse_moe.experts.{}.w3": "ffn_up_exps",
    "mlp.gate": "ffn_gate_inp",
    "mlp.experts.{}.gate_proj": "ffn_gate_exps",
    "mlp.experts.{}.up_proj": "ffn_up_exps",
    "mlp.experts.{}.down_proj": "ffn_down_exps",
    "mlp.shared_expert.gate_proj": "ffn_gate_shexp",
    "mlp.shared_expert.up_proj": "ffn_up_shexp",
    "mlp.shared_expert.down_proj": "ffn_down_shexp",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
}

# Made from or read into the config; no tensor of Hugging Face's.
FACTORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")

_NUMBER = re.compile(r"(?<=\.)(0|[1-9]\d{0,8})(?=\.)")


@dataclass(frozen=True, slots=True)
class Name:
    """A tensor name taken apart: `stem` with "{}" for each number, the `numbers`, and the `suffix` with its dot."""

    stem: str
    numbers: tuple[int, ...]
    suffix: str

    @classmethod
    def parse(cls, name: str) -> Name:
        """The parts of `name`."""
        stem, dot, suffix = name.rpartition(".")
        numbers = tuple(int(n) for n in _NUMBER.findall(f"{stem}."))
        return cls(_NUMBER.sub("{}", f"{stem}.")[:-1], numbers, f"{dot}{suffix}")

    def __str__(self) -> str:
        return self.stem.format(*self.numbers) + self.suffix


def gguf_stem(stem: str, names: dict[str, str]) -> str | None:
    """The GGUF stem of a Hugging Face stem, or None; `names` overrides (inner words, or whole stems), "" says none."""
    for layer in LAYERS:
        if stem.startswith(layer):
            inner = stem.removeprefix(layer)
            known = names.get(inner, INNER.get(inner))
            return f"blk.{{}}.{known}" if known else None
    return names.get(stem, WHOLE.get(stem)) or None
