"""Which part of a model a tensor is, by its canonical name or by GGUF's: what llama.cpp's quantizer looks at.

Source: `tensor_get_category` and `tensor_allows_quantization` of llama-quant.cpp, which go by GGUF's names; the words
of Hugging Face's families are those that become such names in a GGUF.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Part(StrEnum):
    """The parts that recipes tell apart."""

    EMBEDDING = "embedding"
    OUTPUT = "output"
    QUERY = "query"
    KEY = "key"
    VALUE = "value"  # fused projections count as values
    OUT = "out"
    UP = "up"
    GATE = "gate"
    DOWN = "down"
    EXPERTS = "experts"  # matrices of experts, for the recipe that tells them apart
    ANY = "any"
    KEPT = "kept"  # never quantized


_PATTERNS: tuple[tuple[Part, str], ...] = (
    (Part.KEPT, r"norm\w*(\.\d+)?\.weight$|(^|\.)ln_\w+\.weight$"),
    (Part.KEPT, r"(^|\.)(wpe|position_embd|token_types|(position|token_type)_embeddings)\.weight$"),
    (Part.KEPT, r"\.(mlp\.gate|block_sparse_moe\.gate|mlp\.shared_expert_gate|ffn_gate_inp)\.weight$"),
    (Part.KEPT, r"ssm_conv1d|shortconv\.conv\.weight|time_mix_|attn_rel_b\.weight|altup|laurel|per_layer_model_proj"),
    (Part.OUTPUT, r"^(lm_head|embed_out|output)\.weight$"),
    (Part.EMBEDDING, r"(^|\.)(embed_tokens|wte|embed_in|word_embeddings|token_embd|per_layer_token_embd)\.weight$"),
    (Part.VALUE, r"\.(qkv_proj|c_attn|query_key_value|attn_qkv|attn_kv_b|kv_b_proj)\.weight$"),
    (Part.VALUE, r"\.(v_proj|self\.value|attn_v)\.weight$"),
    (Part.KEY, r"\.(k_proj|self\.key|attn_k)\.weight$"),
    (Part.QUERY, r"\.(q_proj|self\.query|attn_q)\.weight$"),
    (Part.OUT, r"\.(self_attn\.(o_proj|dense)|attn\.c_proj|(self_)?attention\.(output\.)?dense|attn_output)\.weight$"),
    (Part.DOWN, r"\.(down_proj|fc2|dense_4h_to_h|mlp\.c_proj|output\.dense|w2|ffn_down\w*)\.weight$"),
    (Part.GATE, r"\.(gate_proj|w1|ffn_gate\w*)\.weight$"),
    (Part.UP, r"\.(up_proj|gate_up_proj|fc1|c_fc|dense_h_to_4h|intermediate\.dense|w3|ffn_up\w*)\.weight$"),
    (Part.ANY, r"weight$"),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _PATTERNS)
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|layer|blk)\.(\d+)\.")
_EXPERT = re.compile(r"\.experts\.(\d+)\.")


def part(name: str) -> Part:
    """The part that the tensor called `name` is; KEPT where the name does not end in "weight"."""
    return next((kind for kind, pattern in _COMPILED if pattern.search(name)), Part.KEPT)


def layer(name: str) -> int:
    """The layer that the tensor called `name` lies in; -1 for those outside of layers."""
    found = _LAYER.search(name)
    return int(found[1]) if found else -1


def stack(name: str) -> str:
    """`name` without the number of its expert: a GGUF has all experts of a layer in one tensor."""
    return _EXPERT.sub(".experts.", name)


def of_expert(name: str) -> bool:
    """True for a matrix of one expert, or of all of a layer."""
    return ".experts." in name or "_exps." in name
