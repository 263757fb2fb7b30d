"""The architectures that GGUF and Hugging Face both name, as a table.

What stands here is only where GGUF differs: the families it covers, operations on rows and values, words that mean
something else, keys. Tensors come from `hub.architectures`, GGUF's words from `_names`. A new one is an entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub_gguf.arch import _keys
from hub_gguf.arch._keys import BASE, Key
from hub_gguf.arch._ops import Grouped, Interleaved, Offset, OneRow, Op, Transpose

_ROTATED = {
    "self_attn.q_proj": Interleaved("num_attention_heads"),
    "self_attn.k_proj": Interleaved("num_key_value_heads"),
}
_SANDWICH = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_TIED = {"lm_head": ""}  # llama.cpp takes the embedding, and refuses a file with an output of its own
_HEADS = ("attention.head_count", "attention.head_count_kv")
_SIZES = ("context_length", "embedding_length", "feed_forward_length", "block_count")
_GEMMA = (
    "context_length", "embedding_length", "block_count", "feed_forward_length", *_HEADS,
    "attention.layer_norm_rms_epsilon", "attention.key_length", "attention.value_length",
)  # fmt: skip


@dataclass(frozen=True)
class Arch:
    """One `general.architecture`.

    `families`: the model types it may hold, the usual one first. `ops`: Hugging Face words inside a layer -> what
    happens to the tensor; "*norm" is every norm weight. `names`: words with another GGUF word than `_names` gives.
    `keys`: what is written, in order; `rules`: keys that this architecture works out in its own way.
    `silent`: facts that change results and that no key says; a reader takes the family's default or llama.cpp's.
    `dropped`: stems that llama.cpp's graph has no place for, with what they are.
    """

    name: str
    families: tuple[str, ...]
    keys: tuple[str, ...] = BASE
    ops: Mapping[str, Op] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, Key] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)

    def key(self, name: str) -> Key:
        """How this architecture writes and reads the key `name`."""
        return self.rules.get(name) or _keys.KEYS[name]

    def op(self, stem: str, suffix: str) -> Op:
        """What happens to tensors with this Hugging Face stem."""
        if suffix == ".weight" and stem.endswith("norm") and "*norm" in self.ops:
            return self.ops["*norm"]
        return next((op for word, op in self.ops.items() if stem.endswith(f".{word}")), _SAME)


_SAME = Op()

_ARCHES = (
    Arch(
        "llama",
        ("llama", "mistral", "mixtral"),
        keys=(*BASE, "vocab_size", "rope.dimension_count"),
        ops=_ROTATED,
        silent=("sliding_window",),
    ),
    Arch(
        "granite",
        ("granite",),
        keys=(
            *(key for key in BASE if key not in {"attention.key_length", "attention.value_length"}),
            "vocab_size", "rope.dimension_count", "attention.scale", "embedding_scale", "residual_scale",
            "logit_scale",
        ),
        ops=_ROTATED,
        rules={"rope.dimension_count": _keys.GRANITE_ROTARY},
    ),
    Arch("qwen2", ("qwen2",), silent=("use_sliding_window",)),
    Arch("qwen3", ("qwen3",), silent=("use_sliding_window",)),
    Arch(
        "qwen2moe",
        ("qwen2_moe",),
        keys=(*BASE, "expert_feed_forward_length", "expert_shared_feed_forward_length"),
        ops={"mlp.shared_expert_gate": OneRow()},
        silent=("use_sliding_window",),
    ),
    Arch(
        "qwen3moe",
        ("qwen3_moe",),
        keys=(*BASE, "expert_feed_forward_length"),
        silent=("use_sliding_window",),
    ),
    Arch(
        "gemma",
        ("gemma",),
        keys=_GEMMA,
        ops={"*norm": Offset(1.0)},
        names=_TIED,
        silent=("rope_theta", "rope_scaling"),
    ),
    Arch(
        "gemma2",
        ("gemma2",),
        keys=(*_GEMMA, "attn_logit_softcapping", "final_logit_softcapping", "attention.sliding_window"),
        ops={"*norm": Offset(1.0)},
        names={**_SANDWICH, **_TIED},
        silent=("query_pre_attn_scalar", "rope_theta", "rope_scaling", "layer_types"),
    ),
    Arch(
        "gemma3",
        ("gemma3_text",),
        keys=(*BASE, "final_logit_softcapping", "attention.sliding_window"),
        ops={"*norm": Offset(1.0)},
        names=_SANDWICH,
        rules={"attention.sliding_window": _keys.WINDOWED},
        silent=("query_pre_attn_scalar", "layer_types"),
    ),
    Arch(
        "phi2",
        ("phi",),
        keys=(*_SIZES, *_HEADS, "attention.layer_norm_epsilon", "rope.dimension_count"),
        rules={"rope.dimension_count": _keys.PHI_ROTARY, "attention.head_count_kv": _keys.HEADS_AGAIN},
        silent=("rope_theta", "rope_scaling"),
    ),
    Arch(
        "phi3",
        ("phi3",),
        keys=(
            "rope.scaling.attn_factor", "context_length", "rope.scaling.original_context_length", "embedding_length",
            "feed_forward_length", "block_count", *_HEADS, "attention.layer_norm_rms_epsilon", "rope.dimension_count",
            "rope.freq_base", "attention.sliding_window",
        ),
        rules={
            "rope.dimension_count": _keys.PHI_ROTARY,
            "rope.scaling.original_context_length": _keys.TRAINED,
            "attention.sliding_window": _keys.WINDOW_OR_ZERO,
        },
    ),
    Arch(
        "gpt2",
        ("gpt2",),
        keys=("block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
              "attention.layer_norm_epsilon"),
        ops=dict.fromkeys(("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"), Transpose()),
    ),
    Arch(
        "gptneox",
        ("gpt_neox",),
        keys=("context_length", "embedding_length", "block_count", "feed_forward_length", "rope.dimension_count",
              "attention.head_count", "use_parallel_residual", "attention.layer_norm_epsilon"),
        ops={"attention.query_key_value": Grouped()},
        silent=("rope_theta", "rope_scaling"),
        rules={"rope.dimension_count": _keys.ROTARY},
    ),
    Arch(
        "falcon",
        ("falcon",),
        keys=("context_length", "tensor_data_layout", "embedding_length", "feed_forward_length", "block_count", *_HEADS,
              "attention.layer_norm_epsilon"),
        ops={"self_attention.query_key_value": Grouped()},
        rules={"context_length": _keys.CONTEXT_2048},
        names={"post_attention_layernorm": ""},
        silent=("rope_theta", "rope_scaling"),
    ),
    Arch("starcoder2", ("starcoder2",), silent=("sliding_window",)),
    Arch(
        "stablelm",
        ("stablelm",),
        keys=("context_length", "embedding_length", "block_count", "feed_forward_length", "rope.dimension_count",
              *_HEADS, "use_parallel_residual", "attention.layer_norm_epsilon"),
        rules={"rope.dimension_count": _keys.ROTARY},
        silent=("rope_theta", "rope_scaling"),
    ),
    Arch(
        "olmo2",
        ("olmo2", "olmo3"),
        keys=(*BASE, "attention.sliding_window", "attention.sliding_window_pattern"),
        names={"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm"},
    ),
    Arch(
        "smollm3",
        ("smollm3",),
        keys=(*BASE, "vocab_size", "rope.dimension_count"),
        ops=_ROTATED,
        silent=("no_rope_layers", "use_sliding_window"),
    ),
    Arch("arcee", ("arcee",), keys=(*BASE, "vocab_size", "rope.dimension_count"), ops=_ROTATED),
    Arch("seed_oss", ("seed_oss",), names={"post_attention_layernorm": "post_attention_norm"}),
    Arch(
        "olmo",
        ("olmo",),
        keys=(*(key for key in BASE if key != "attention.layer_norm_epsilon"), "attention.layer_norm_epsilon",
              "attention.clamp_kqv"),
        ops=_ROTATED,
    ),
    Arch("olmoe", ("olmoe",), silent=("clip_qkv",)),
    Arch(
        "command-r",
        ("cohere",),
        keys=(*(key for key in BASE if key != "rope.scaling.type"), "logit_scale", "rope.scaling.type"),
        names=_TIED,
        rules={"logit_scale": _keys.LOGIT_SCALE, "rope.scaling.type": _keys.UNSCALED,
               "context_length": _keys.TRAINED_AT_LEAST},
        silent=("rope_scaling",),
    ),
    Arch(
        "cohere2",
        ("cohere2",),
        keys=(*(key for key in BASE if key != "rope.scaling.type"), "logit_scale", "attention.sliding_window",
              "vocab_size", "rope.dimension_count", "rope.scaling.type"),
        names=_TIED,
        rules={"logit_scale": _keys.LOGIT_SCALE, "rope.scaling.type": _keys.UNSCALED,
               "rope.dimension_count": _keys.ROTARY},
        silent=("rope_scaling", "layer_types"),
    ),
    Arch("glm4", ("glm4",), keys=(*BASE, "rope.dimension_count"), rules={"rope.dimension_count": _keys.ROTARY}),
    Arch(
        "exaone4",
        ("exaone4",),
        keys=(*BASE, "vocab_size", "attention.sliding_window", "attention.sliding_window_pattern"),
        names={"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm"},
    ),
    Arch("ernie4_5", ("ernie4_5",)),
    Arch(
        "nemotron",
        ("nemotron",),
        keys=(*(key for key in BASE if key not in {"attention.layer_norm_epsilon", "rope.scaling.type"}), "vocab_size",
              "attention.layer_norm_epsilon", "rope.dimension_count", "rope.scaling.type"),
        ops={"*norm": Offset(1.0)},
        rules={"attention.layer_norm_rms_epsilon": _keys.NORM_TWICE, "rope.dimension_count": _keys.PHI_ROTARY,
               "rope.scaling.type": _keys.UNSCALED_OR_LINEAR},
    ),
    Arch(
        "bloom",
        ("bloom",),
        keys=(*_SIZES, *_HEADS, "attention.layer_norm_epsilon"),
        ops={"self_attention.query_key_value": Grouped()},
        rules={"context_length": _keys.SEQUENCE, "feed_forward_length": _keys.FOUR_HIDDEN,
               "attention.head_count_kv": _keys.HEADS_AGAIN},
    ),
    Arch(
        "starcoder",
        ("gpt_bigcode",),
        keys=(*_SIZES, *_HEADS, "attention.layer_norm_epsilon"),
        silent=("multi_query",),
    ),
    Arch(
        "bert",
        ("bert",),
        keys=(*BASE, "attention.causal"),
        dropped={"pooler.": "pooling head", "cls.": "pre-training head"},
    ),
)  # fmt: skip

ARCHES: dict[str, Arch] = {arch.name: arch for arch in _ARCHES}
BY_FAMILY: dict[str, Arch] = {family: arch for arch in _ARCHES for family in arch.families}
