"""Facts that single architectures say in ways of their own, or that llama.cpp works out by rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.errors import DamagedFile, UnsupportedFile
from hub_gguf.arch import _rope
from hub_gguf.arch._reading import THETA, Source, exact_float

GEMMA2_WINDOW = 4096  # llama.cpp's, for files without one
_WIDE_LAYERS = {"gemma2": 46, "gemma3": 62}  # the 27B models, whose queries are scaled by hidden_size / heads


def _longrope(source: Source) -> None:
    """phi3: two lists as tensors; rope.scaling.type is not written, a window of 0 means none."""
    values = source.values
    if "sliding_window" not in values:
        source.notes.append("sliding_window is not in the file: every layer is taken as full attention")
    values["sliding_window"] = values.get("sliding_window") or None
    trained = values.get("max_position_embeddings")
    original = source.otherwise("rope.scaling.original_context_length", trained)
    if original is not None:
        values["original_max_position_embeddings"] = original
    values["rope_scaling"] = None
    if {_rope.LONG, _rope.SHORT} <= source.tensors.keys():
        lists = {
            key: source.tensors[name] for key, name in (("long_factor", _rope.LONG), ("short_factor", _rope.SHORT))
        }
        numbers = {key: [exact_float(x) for x in _rope.factors(tensor)] for key, tensor in lists.items()}
        values["rope_scaling"] = {"type": "longrope", **numbers}
        source.used |= {_rope.LONG, _rope.SHORT}


def _query_scalar(source: Source) -> None:
    """gemma2, gemma3: not written; llama.cpp takes the head width, and hidden_size / heads for the 27B models."""
    values = source.values
    if values.get("num_hidden_layers") == _WIDE_LAYERS[source.arch.name]:
        values["query_pre_attn_scalar"] = source.need("hidden_size") // source.need("num_attention_heads")
    else:
        values["query_pre_attn_scalar"] = source.head_dim


def _gemma_layers(source: Source) -> None:
    """Every second layer of gemma2, every sixth of gemma3 sees everything (llama.cpp's `load_swa_pattern`)."""
    values = source.values
    period = 2 if source.arch.name == "gemma2" else 6
    if source.arch.name == "gemma2":
        values["sliding_window"] = source.otherwise("attention.sliding_window", GEMMA2_WINDOW)
    if not values.get("sliding_window"):
        source.notes.append("sliding_window is not in the file: every layer is taken as full attention")
        period = 1
    kinds = ("full_attention", "sliding_attention")
    values["layer_types"] = [kinds[(i + 1) % period != 0] for i in range(_layers(values))]
    if source.arch.name == "gemma3":
        values["sliding_window_pattern"] = period
        values["rope_local_base_freq"] = source.key("rope.freq_base_swa") or THETA


def _softcaps(source: Source) -> None:
    """gemma2: llama.cpp's defaults, on which files from before these keys rely; gemma3 has none."""
    for fact, default in {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}.items():
        source.values[fact] = source.otherwise(fact, default if source.arch.name == "gemma2" else None)


def _key_heads(source: Source) -> None:
    """phi2: the converter writes the number of heads here too; the rows of the keys tell."""
    keys = source.tensors.get("blk.0.attn_k.weight")
    heads = keys.shape[0] // max(1, source.head_dim) if keys is not None else 0
    if heads not in {0, source.need("num_key_value_heads")}:
        source.values["num_key_value_heads"] = heads
        source.notes.append(f"attention.head_count_kv is wrong; the keys have {heads} heads")


def _layers(values: Mapping[str, Any]) -> int:
    n = values.get("num_hidden_layers") or 0
    if n > 1 << 16:
        raise DamagedFile(f"the file says {n} layers, at most {1 << 16} were expected")
    return int(n)


def _widths(source: Source) -> None:
    """Widths of experts that older files do not state: rows of the stacked tensors."""
    stacks = {"moe_intermediate_size": "ffn_up_exps", "shared_expert_intermediate_size": "ffn_up_shexp"}
    for fact, word in stacks.items():
        tensor = source.tensors.get(f"blk.0.{word}.weight")
        if tensor is not None and len(tensor.shape) > 1:
            source.values.setdefault(fact, tensor.shape[-2])


def _falcon(source: Source) -> None:
    """40B-style models have groups of keys and, mostly, two norms a layer; 7B-style ones a single key head."""
    values = source.values
    heads, groups = source.need("num_attention_heads"), source.need("num_key_value_heads")
    two = any(rule.when == "two_norms" for rule in source.present)
    values["new_decoder_architecture"] = two or 1 < groups < heads
    values["multi_query"] = values["new_decoder_architecture"] or groups == 1
    if values["new_decoder_architecture"]:
        values["num_ln_in_parallel_attn"] = 2 if two else 1


def _types(source: Source) -> None:
    """bert: segment ids are counted by their table; the pooling head is never in a file."""
    source.notes.append("pooler.dense is not in the file; it is no part of an embedding")
    tensor = source.tensors.get("token_types.weight")
    if tensor is None:
        raise UnsupportedFile("a bert file without token types holds a DistilBERT, which is in no table")
    source.values["type_vocab_size"] = tensor.shape[0]


def _windows(source: Source) -> None:
    """olmo2 (OLMo 3 when it has a window), exaone4, cohere2: a window, and which layers look through it."""
    values = source.values
    stated = source.kv.get(f"{source.arch.name}.attention.sliding_window_pattern")
    if values.get("sliding_window"):
        listed = isinstance(stated, Sequence) and len(stated) == _layers(values)
        sliding = list(stated) if listed else [(i + 1) % 4 != 0 for i in range(_layers(values))]  # type: ignore[arg-type]
        values["layer_types"] = ["sliding_attention" if x else "full_attention" for x in sliding]
    elif source.arch.name == "exaone4":
        values["sliding_window"] = None
        values["layer_types"] = ["full_attention"] * _layers(values)
    if source.family.model_type == "olmo3":
        # Both generations of transformers read what they know; the older one gives only full layers the scaling.
        local = {"rope_type": "default", "rope_theta": values.get("rope_local_base_freq") or values["rope_theta"]}
        full = {**(values["rope_scaling"] or {"rope_type": "default"}), "rope_theta": values["rope_theta"]}
        values["rope_parameters"] = {"full_attention": full, "sliding_attention": local}


def _no_rope(source: Source) -> None:
    """smollm3: every fourth layer rotates nothing (llama.cpp's `n_no_rope_layer_step`)."""
    source.values["no_rope_layers"] = [int((i + 1) % 4 != 0) for i in range(_layers(source.values))]


def _inner(source: Source) -> None:
    """gpt2, starcoder: the converter writes four times the width whatever the model has; the rows tell."""
    up = source.tensors.get("blk.0.ffn_up.weight")
    if up is not None and len(up.shape) == 2 and up.shape[0] != source.values.get("intermediate_size"):
        source.values["intermediate_size"] = up.shape[0]
        source.notes.append(f"feed_forward_length is wrong; the tensors have {up.shape[0]} rows")


def _context(source: Source) -> None:
    source.values["n_ctx"] = source.values.get("max_position_embeddings")  # as OpenAI's own config.json has it


SPECIAL: dict[str, tuple[Callable[[Source], None], ...]] = {
    "gemma2": (_query_scalar, _gemma_layers, _softcaps),
    "gemma3": (_query_scalar, _gemma_layers, _softcaps),
    "phi2": (_key_heads,),
    "phi3": (_longrope,),
    "qwen2moe": (_widths,),
    "qwen3moe": (_widths,),
    "falcon": (_falcon,),
    "bert": (_types,),
    "olmo2": (_windows,),
    "exaone4": (_windows,),
    "cohere2": (_windows,),
    "gpt2": (_context, _inner),
    "starcoder": (_inner,),
    "smollm3": (_no_rope,),
}
