"""Hyper-parameters: config.json's keys to the container's, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from hub.architectures import FAMILIES, family
from hub.architectures import facts as plain_facts
from hub.errors import MissingFact
from hub.ir import Config, Model
from hub_apr.container import field

# The container's key, and the canonical keys of a config it comes from, the first that is stated.
_COUNTS: dict[str, tuple[str, ...]] = {
    "hidden_size": ("hidden_size",),
    "num_layers": ("num_hidden_layers",),
    "num_heads": ("num_attention_heads",),
    "num_kv_heads": ("num_key_value_heads", "num_attention_heads"),
    "vocab_size": ("vocab_size",),
    "intermediate_size": ("intermediate_size",),
    "max_position_embeddings": ("max_position_embeddings",),
    "head_dim": ("head_dim",),
    "num_experts": ("num_experts",),
    "num_experts_per_tok": ("num_experts_per_tok",),
    "moe_intermediate_size": ("moe_intermediate_size",),
}
_REALS: dict[str, tuple[str, ...]] = {
    "rope_theta": ("rope_theta",),
    "rms_norm_eps": ("rms_norm_eps", "layer_norm_eps"),
}

# Rows of Q and K turn as split halves ("NEOX") in Hugging Face's order, as adjacent pairs ("NORM") in a GGUF's.
SPLIT_HALVES = 2

# What other programs call a `model_type`.
_MODEL_TYPES = {"gptneox": "gpt_neox", "qwen2moe": "qwen2_moe", "qwen3moe": "qwen3_moe", "phi2": "phi",
                "gemma3": "gemma3_text"}  # fmt: skip

_EMBEDDINGS = ("model.embed_tokens.weight", "token_embd.weight", "transformer.wte.weight", "gpt_neox.embed_in.weight",
               "transformer.word_embeddings.weight", "embeddings.word_embeddings.weight")  # fmt: skip


def hyperparameters(model: Model) -> dict[str, Any]:
    """The container's keys for `model`, each under its canonical name, only those that are known."""
    stated = _stated(model.config)
    kind = stated.get("model_type") or model.metadata.get("architecture")
    found: dict[str, Any] = {"model_type": kind if isinstance(kind, str) else ""}
    if isinstance(kind, str):
        found["architecture"] = kind
    found |= _class_of(model.config)
    found |= {key: n for key, names in _COUNTS.items() if (n := _count(stated, names)) is not None}
    found |= {key: x for key, names in _REALS.items() if (x := _real(stated, names)) is not None}
    if model.naming == "hf" and "rope_theta" in found:
        found["rope_type"] = SPLIT_HALVES
    if "vocab_size" not in found and (rows := _embedding_rows(model)):
        found["vocab_size"] = rows
    if isinstance(stated.get("norm_topk_prob"), bool):
        found["norm_topk_prob"] = stated["norm_topk_prob"]
    return found


def known_facts(config: Config) -> tuple[str, Config] | None:
    """The `model_type` and the completed facts of a config of a known family; None for any other."""
    try:
        known = family(config)
        return None if known is None else (known.model_type, known.facts(config))
    except (AttributeError, TypeError, ValueError, MissingFact):  # a text where a table was expected, and the like
        return None


def _stated(config: Config) -> Mapping[str, Any]:
    """The facts of `config`, completed where its family is known; nothing when it is no config at all."""
    known = known_facts(config)
    try:
        return known[1] if known else plain_facts(config)
    except (AttributeError, TypeError, ValueError, MissingFact):
        return {}


def _class_of(config: Config) -> dict[str, Any]:
    classes, kind = config.get("architectures"), config.get("model_type")
    named = {"hf_architecture": classes[0] if isinstance(classes, list) and classes else None, "hf_model_type": kind}
    return {key: value for key, value in named.items() if isinstance(value, str)}


def _count(stated: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    value = next((stated[name] for name in names if stated.get(name) is not None), None)
    return value if type(value) is int and 0 <= value < 1 << 63 else None


def _real(stated: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    value = next((stated[name] for name in names if stated.get(name) is not None), None)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _embedding_rows(model: Model) -> int | None:
    table = next((model.tensors[name] for name in _EMBEDDINGS if name in model.tensors), None)
    return table.shape[0] if table is not None and len(table.shape) == 2 else None


def config_of(metadata: Mapping[str, Any]) -> Config:
    """The config that the container's keys say; aliases are accepted, null counts as absent."""
    kind = field(metadata, "hf_model_type") or field(metadata, "architecture") or field(metadata, "model_type")
    kind = _MODEL_TYPES.get(kind, kind) if isinstance(kind, str) and kind != "auto" else None
    found: dict[str, Any] = {"model_type": kind}
    if isinstance(field(metadata, "hf_architecture"), str):
        found["architectures"] = [metadata["hf_architecture"]]
    elif kind in FAMILIES:
        found["architectures"] = [FAMILIES[kind].classes[0]]
    for key, names in _COUNTS.items():
        value = field(metadata, key)
        found |= {names[0]: value} if type(value) is int and value else {}
    for key, names in _REALS.items():
        value = field(metadata, key)
        name = FAMILIES[kind].norm[0] if key == "rms_norm_eps" and kind in FAMILIES else names[0]
        found |= {name: float(value)} if type(value) in (int, float) and value else {}
    found |= {k: metadata[k] for k in ("norm_topk_prob",) if isinstance(metadata.get(k), bool)}
    found |= {"tie_word_embeddings": True} if metadata.get("tied_embeddings") is True else {}
    found = {key: value for key, value in found.items() if value is not None}
    return Config({**_fallback(metadata), **(FAMILIES[kind].spelled(found) if kind in FAMILIES else found)})


def _fallback(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A `model_config` string: JSON that older files keep their config in."""
    try:
        value = json.loads(metadata.get("model_config") or "null")
    except (TypeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
