"""What the inference loader of `apr` would miss in a file, from its metadata and tensors alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub_apr.container import field

_REQUIRED = ("architecture", "hidden_size", "num_layers", "num_heads", "intermediate_size")

# The largest value that the loader accepts; zero counts as a mistake for all of them.
_BOUNDS = {"hidden_size": 65536, "num_layers": 256, "num_heads": 256, "num_kv_heads": 256, "vocab_size": 1_000_000,
           "intermediate_size": 262_144, "max_position_embeddings": 2_097_152}  # fmt: skip
_EMBEDDINGS = ("embed_tokens", "tok_embeddings", "token_embd")

# Hugging Face's name and a GGUF's, of what every model and every layer needs.
_ENDS = {"model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
_LAYER = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
          "self_attn.o_proj": "attn_output", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
          "input_layernorm": "attn_norm"}  # fmt: skip


def missing(metadata: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Why `apr run` would not compute with a file of this metadata and these tensors; empty when it would.

    Encodings are not looked at, nor the names of experts, which nothing documents. Source: the loader's requirements as
    the format's reference text lists them.
    """
    return [*_keys(metadata), *_names(metadata, shapes), *_table(metadata, shapes), *_tokenizer(metadata)]


def _keys(metadata: Mapping[str, Any]) -> list[str]:
    found = [f"metadata has no {key}" for key in _REQUIRED if not field(metadata, key)]
    for key, largest in _BOUNDS.items():
        value = field(metadata, key)
        if type(value) is int and not 0 < value <= largest:
            found.append(f"{key} is {value}, 1 to {largest} is accepted")
    hidden, heads, kv = (field(metadata, key) for key in ("hidden_size", "num_heads", "num_kv_heads"))
    found += [f"{heads} heads do not divide hidden_size {hidden}"] if hidden and heads and hidden % heads else []
    found += [f"{kv} key and value heads do not divide {heads} heads"] if heads and kv and heads % kv else []
    return found


def _names(metadata: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    layers, experts = field(metadata, "num_layers"), field(metadata, "num_experts")
    pairs = dict(_ENDS)
    layer = {hf: gguf for hf, gguf in _LAYER.items() if not (experts and hf.startswith("mlp."))}
    for i in range(min(layers, _BOUNDS["num_layers"]) if type(layers) is int else 0):
        pairs |= {f"model.layers.{i}.{hf}.weight": f"blk.{i}.{gguf}.weight" for hf, gguf in layer.items()}
    return [f"no tensor {hf}" for hf, gguf in pairs.items() if hf not in shapes and gguf not in shapes]


def _table(metadata: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    tables = {name: shape for name, shape in shapes.items() if any(part in name for part in _EMBEDDINGS)}
    if not tables:
        return ["no embedding tensor"]
    needed = {size for key in ("vocab_size", "hidden_size") if (size := field(metadata, key))}
    return [
        f"{name} of shape {list(shape)} has no dimension {' or '.join(map(str, sorted(needed - set(shape))))}"
        for name, shape in tables.items()
        if not needed <= set(shape)
    ]


def _tokenizer(metadata: Mapping[str, Any]) -> list[str]:
    words, scores = metadata.get("tokenizer.vocabulary"), metadata.get("tokenizer.scores")
    usable = words and (metadata.get("tokenizer.merges") or (scores and len(scores) == len(words)))
    return [] if usable else ["no tokenizer with merges or scores"]
