"""One accessor for every spelling of a config.json.

Written by transformers 4 (`rope_theta`, `rope_scaling`, `n_embd` ...), by transformers 5 (`rope_parameters`) or around
a text model inside a multimodal one (`text_config`): `facts` gives the same keys for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.errors import MissingFact
from hub.ir import ALIASES

# Spellings that hub.ir does not know because they mean this only in one family's config.json.
_ALIASES = ALIASES | {
    "hidden_act": ("hidden_activation", "activation_function", "activation"),
    "rope_theta": ("rotary_emb_base",),
    "hidden_size": ("n_embd", "n_embed", "d_model"),
    "layer_norm_eps": ("layer_norm_epsilon", "norm_epsilon", "norm_eps"),
}

_MODEL_TYPES = {"gemma3": "gemma3_text"}  # a text model that its multimodal wrapper names

# Rope types that know the length the model was trained at; transformers fills it in from max_position_embeddings.
_STRETCHED = {"llama3", "yarn", "longrope"}


def facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `config` under their canonical names, rope settings in transformers 4's form, nothing filled in.

    `rope_theta` and `rope_local_base_freq` are floats, `rope_scaling` is None or a mapping with `rope_type`,
    `partial_rotary_factor` stands alone. A key that is null stays null: that is not the same as absent. `MissingFact`
    when a part that must be an object is none.
    """
    values = dict(config)
    values |= {k: v for k, v in _object(values, "text_config").items() if k != "architectures"}
    values.pop("text_config", None)
    values["model_type"] = _MODEL_TYPES.get(str(values.get("model_type")), values.get("model_type"))
    for key, names in _ALIASES.items():
        for name in names:
            if name in values and values.get(key) is None:
                values[key] = values[name]
    return _rope(values)


def _rope(values: dict[str, Any]) -> dict[str, Any]:
    rope = _object(values, "rope_parameters") or _object(values, "rope_scaling")
    values.pop("rope_parameters", None)
    local = _object(rope, "sliding_attention")
    whole = _object(rope, "full_attention") or {k: v for k, v in rope.items() if k != "sliding_attention"}
    for key in ("rope_theta", "partial_rotary_factor"):
        stated = whole.pop(key, None)
        if stated is not None:
            values[key] = stated
    if "rope_theta" in local:
        values["rope_local_base_freq"] = local["rope_theta"]
    kind = str(whole.pop("type", None) if whole.get("rope_type") is None else whole["rope_type"])
    scaled = kind not in {"None", "default"}
    values["rope_scaling"] = _scaling(values, whole, kind.lower()) if scaled else None
    return values


def _object(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = values.get(key)
    if found is not None and not isinstance(found, Mapping):
        raise MissingFact(f"config {key!r} is {str(found)[:40]!r}, an object was expected")
    return dict(found or {})


def _scaling(values: Mapping[str, Any], whole: Mapping[str, Any], kind: str) -> dict[str, Any]:
    kind = "longrope" if kind == "su" else kind
    scaling = {**whole, "rope_type": kind}
    trained = values.get("original_max_position_embeddings") or scaling.get("original_max_position_embeddings")
    if kind in _STRETCHED and (trained or values.get("max_position_embeddings")):
        scaling["original_max_position_embeddings"] = trained or values["max_position_embeddings"]
    return scaling
