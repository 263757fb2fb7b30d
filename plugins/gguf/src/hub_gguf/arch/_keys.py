"""Hyper-parameters as GGUF keys: one row a key, both ways.

Source: `set_gguf_parameters` of llama.cpp's converter (forward), `load_arch_hparams` of llama.cpp (back). The plugin's
format writes `general.*` (architecture, file type, quantization version), its tokenizer part writes `tokenizer.*`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub.errors import MissingFact
from hub.ir import Config
from hub_gguf.container import ValueType

U32, FLOAT, BOOL, STRING = ValueType.UINT32, ValueType.FLOAT32, ValueType.BOOL, ValueType.STRING

_RANGES: dict[ValueType, tuple[float, float]] = {U32: (0, (1 << 32) - 1), FLOAT: (-3.4e38, 3.4e38)}
_PYTHON: dict[ValueType, type] = {U32: int, FLOAT: float, BOOL: bool, STRING: str, ValueType.ARRAY: list}


@dataclass(frozen=True)
class Key:
    """One key under `{arch}.`: its `type` (and an array's `item`), the `fact` it carries or the `rule` that makes it.

    With a `fact` it is read back by this table, without one by the functions of the config.
    """

    type: ValueType
    fact: str = ""
    rule: Callable[[Config], Any] | None = None
    item: ValueType | None = None

    def value(self, config: Config) -> Any:
        """The value to write, None when there is nothing to say; `MissingFact` when the config's is none."""
        kind = _PYTHON[self.type]
        if self.rule is None:
            return self.fitting(config.fact(self.fact, kind))
        found = self.rule(config)
        return self.fitting(None if found is None else Config({self._name: found}).fact(self._name, kind))

    @property
    def _name(self) -> str:
        return self.fact or "rope_scaling"

    def fitting(self, value: Any) -> Any:
        """`value`; `MissingFact` when the type cannot hold it."""
        low, high = _RANGES.get(self.type, (0, 0))
        if low != high and value is not None and not low <= value <= high:
            raise MissingFact(f"config {self._name!r} is {value}, a number from {low} to {high} was expected")
        return value


def _kind(config: Config) -> str | None:
    scaling = config.fact("rope_scaling", dict) or {}
    return "longrope" if scaling.get("rope_type") == "longrope" else _of("rope_type", "linear", "yarn")(config)


def _scaling(config: Config, *kinds: str) -> dict[str, Any]:
    scaling = config.fact("rope_scaling", dict) or {}
    return scaling if scaling.get("rope_type") in kinds and scaling.get("factor") is not None else {}


def _of(name: str, *kinds: str) -> Callable[[Config], Any]:
    return lambda config: _scaling(config, *kinds).get(name)


def _yarn_attention(config: Config) -> Any:
    yarn = _scaling(config, "yarn")
    return yarn.get("attention_factor", yarn.get("attn_factor"))


def _share(config: Config) -> float:
    share = config.require("partial_rotary_factor", float)
    if not 0 < share <= 1:
        raise MissingFact(f"config 'partial_rotary_factor' is {share}, a part of 1 was expected")
    return share


def _rotary(config: Config) -> int:
    return int(_share(config) * config.head_dim)


def _phi_rotary(config: Config) -> int:
    return int(_share(config) * config.require("hidden_size", int)) // config.require("num_attention_heads", int)


def _longrope_attention(config: Config) -> float | None:
    scaling = config.fact("rope_scaling", dict) or {}
    if scaling.get("rope_type") != "longrope":
        return None
    trained = _trained(config)
    longest = KEYS["context_length"].value(config)
    scale = (longest or trained) / max(1, trained)
    return math.sqrt(1 + math.log(scale) / math.log(trained)) if scale > 1 and trained > 1 else 1.0


def _trained(config: Config) -> int:
    scaling = config.fact("rope_scaling", dict) or {}
    stated = Config(scaling).fact("original_max_position_embeddings", int)
    trained = stated or config.require("original_max_position_embeddings", int)
    Key(U32, "original_max_position_embeddings").fitting(trained)
    return trained


def _windowed(config: Config) -> int | None:
    return None if config.fact("sliding_window_pattern", int) == 1 else config.fact("sliding_window", int)


def _sliding_layers(config: Config) -> list[bool] | None:
    if not config.fact("sliding_window", int):
        return None
    stated = config.fact("layer_types", list)
    if stated is not None:
        return [kind == "sliding_attention" for kind in stated]
    period = config.fact("sliding_window_pattern", int) or 4
    return [(i + 1) % period != 0 for i in range(Key(U32, "num_hidden_layers").value(config) or 0)]


KEYS: dict[str, Key] = {
    "block_count": Key(U32, "num_hidden_layers"),
    "context_length": Key(U32, "max_position_embeddings"),
    "embedding_length": Key(U32, "hidden_size"),
    "feed_forward_length": Key(U32, "intermediate_size"),
    "attention.head_count": Key(U32, "num_attention_heads"),
    "attention.head_count_kv": Key(U32, "num_key_value_heads"),
    "attention.key_length": Key(U32, "head_dim"),
    "attention.value_length": Key(U32, rule=lambda c: c.fact("head_dim", int)),
    "attention.layer_norm_rms_epsilon": Key(FLOAT, "rms_norm_eps"),
    "attention.layer_norm_epsilon": Key(FLOAT, "layer_norm_eps"),
    "attention.sliding_window": Key(U32, "sliding_window"),
    "attention.sliding_window_pattern": Key(ValueType.ARRAY, rule=_sliding_layers, item=BOOL),
    "attention.causal": Key(BOOL, rule=lambda _: False),
    "attention.scale": Key(FLOAT, "attention_multiplier"),
    "attn_logit_softcapping": Key(FLOAT, "attn_logit_softcapping"),
    "final_logit_softcapping": Key(FLOAT, "final_logit_softcapping"),
    "embedding_scale": Key(FLOAT, "embedding_multiplier"),
    "residual_scale": Key(FLOAT, "residual_multiplier"),
    "logit_scale": Key(FLOAT, "logits_scaling"),
    "attention.clamp_kqv": Key(FLOAT, "clip_qkv"),
    "expert_count": Key(U32, "num_experts"),
    "expert_used_count": Key(U32, "num_experts_per_tok"),
    "expert_feed_forward_length": Key(U32, "moe_intermediate_size"),
    "expert_shared_feed_forward_length": Key(U32, "shared_expert_intermediate_size"),
    "use_parallel_residual": Key(BOOL, "use_parallel_residual"),
    "vocab_size": Key(U32, rule=lambda c: c.require("vocab_size", int)),
    "tensor_data_layout": Key(STRING, rule=lambda _: "jploski"),
    "rope.freq_base": Key(FLOAT, "rope_theta"),
    "rope.freq_base_swa": Key(FLOAT, "rope_local_base_freq"),
    "rope.dimension_count": Key(U32, rule=lambda c: c.head_dim),
    "rope.scaling.type": Key(STRING, rule=_kind),
    "rope.scaling.factor": Key(FLOAT, rule=_of("factor", "linear", "yarn")),
    "rope.scaling.original_context_length": Key(U32, rule=_of("original_max_position_embeddings", "yarn")),
    "rope.scaling.yarn_ext_factor": Key(FLOAT, rule=_of("extrapolation_factor", "yarn")),
    "rope.scaling.yarn_attn_factor": Key(FLOAT, rule=_yarn_attention),
    "rope.scaling.yarn_beta_fast": Key(FLOAT, rule=_of("beta_fast", "yarn")),
    "rope.scaling.yarn_beta_slow": Key(FLOAT, rule=_of("beta_slow", "yarn")),
    "rope.scale_linear": Key(FLOAT, rule=lambda _: None),  # files from before 2023-10; never written
    "rope.scaling.attn_factor": Key(FLOAT, rule=_longrope_attention),
}

# Keys whose value some architectures work out in their own way.
ROTARY = Key(U32, rule=_rotary)
PHI_ROTARY = Key(U32, rule=_phi_rotary)
GRANITE_ROTARY = Key(U32, rule=lambda c: c.require("hidden_size", int) // c.require("num_attention_heads", int))
TRAINED = Key(U32, rule=_trained)
WINDOW_OR_ZERO = Key(U32, "sliding_window", rule=lambda c: c.fact("sliding_window", int) or 0)
WINDOWED = Key(U32, "sliding_window", rule=_windowed)
HEADS_AGAIN = Key(U32, "num_key_value_heads", rule=lambda c: c.require("num_attention_heads", int))
CONTEXT_2048 = Key(U32, "max_position_embeddings", rule=lambda _: 2048)

NORM_TWICE = Key(FLOAT, rule=lambda c: c.fact("layer_norm_eps", float))
LOGIT_SCALE = Key(FLOAT, "logit_scale")
UNSCALED = Key(STRING, rule=lambda _: "none")
UNSCALED_OR_LINEAR = Key(STRING, rule=lambda c: "linear" if _scaling(c, "linear") else "none")
TRAINED_AT_LEAST = Key(
    U32, "max_position_embeddings", lambda c: c.fact("model_max_length", int) or c.fact("max_position_embeddings", int)
)
FOUR_HIDDEN = Key(U32, rule=lambda c: 4 * c.require("hidden_size", int))
SEQUENCE = Key(U32, "seq_length", lambda c: c.fact("seq_length", int) or c.require("hidden_size", int))

_ROPE_SCALING = tuple(key for key in KEYS if key.startswith("rope.scaling.") and key != "rope.scaling.attn_factor")

# What the converter writes for every architecture that has no list of its own, in its order.
BASE = (
    "block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
    "attention.head_count_kv", *_ROPE_SCALING, "rope.freq_base", "rope.freq_base_swa",
    "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon", "expert_count", "expert_used_count",
    "attention.key_length", "attention.value_length",
)  # fmt: skip

# Without these llama.cpp does not load a file.
NEEDED = frozenset({"block_count", "context_length", "embedding_length", "attention.head_count", "feed_forward_length"})
