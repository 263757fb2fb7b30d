"""A small valid SafeTensors file and model folder in pieces, so that exactly one of them can be wrong.

The layout is that of the format's own page: 8 bytes of length, a JSON header, the tensors' bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from struct import pack
from typing import Any

HIDDEN, FEED, HEADS = 8, 16, 2
VOCABULARY = {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "Ġ": 5, "Ġa": 6, "!": 7}
SPECIAL = {"<s>": 8, "</s>": 9}
ROWS = len(VOCABULARY) + len(SPECIAL)

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")

_LAYER = "model.layers.0."
SHAPES: dict[str, tuple[int, ...]] = {
    "lm_head.weight": (ROWS, HIDDEN),
    "model.embed_tokens.weight": (ROWS, HIDDEN),
    _LAYER + "input_layernorm.weight": (HIDDEN,),
    _LAYER + "mlp.down_proj.weight": (HIDDEN, FEED),
    _LAYER + "mlp.gate_proj.weight": (FEED, HIDDEN),
    _LAYER + "mlp.up_proj.weight": (FEED, HIDDEN),
    _LAYER + "post_attention_layernorm.weight": (HIDDEN,),
    _LAYER + "self_attn.k_proj.weight": (HIDDEN, HIDDEN),
    _LAYER + "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
    _LAYER + "self_attn.q_proj.weight": (HIDDEN, HIDDEN),
    _LAYER + "self_attn.v_proj.weight": (HIDDEN, HIDDEN),
    "model.norm.weight": (HIDDEN,),
}

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "bos_token_id": 8,
    "eos_token_id": 9,
    "hidden_act": "silu",
    "hidden_size": HIDDEN,
    "intermediate_size": FEED,
    "max_position_embeddings": 64,
    "model_type": "llama",
    "num_attention_heads": HEADS,
    "num_hidden_layers": 1,
    "num_key_value_heads": HEADS,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "vocab_size": ROWS,
}

_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
TOKENIZER: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [
        {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
        for token, number in SPECIAL.items()
    ],
    "normalizer": None,
    "pre_tokenizer": _BYTES,
    "post_processor": _BYTES,
    "decoder": _BYTES,
    "model": {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": VOCABULARY,
        "merges": ["a b", "ab c", "Ġ a"],
    },
}  # fmt: skip
TOKENIZER_CONFIG: dict[str, Any] = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "model_max_length": 64,
    "tokenizer_class": "PreTrainedTokenizerFast",
}


def values(count: int, seed: int) -> bytes:
    """`count` F32 values between -1 and 1, all different from 0."""
    return pack(f"<{count}f", *(((i * 37 + seed * 11) % 64 - 31.5) / 32 for i in range(count)))


def text(value: object) -> bytes:
    """`value` as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def entry(dtype: Any = "F32", shape: Any = (2, 3), offsets: Any = (0, 24)) -> dict[str, Any]:
    """One tensor of the header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def file(header: object, data: bytes = b"", *, length: int | None = None, multiple: int = 8) -> bytes:
    """A file whose header is `header` as JSON, or these bytes; padded to a `multiple` of bytes, as writers do."""
    raw = header if isinstance(header, bytes) else text(header)
    raw += b" " * (-len(raw) % multiple)
    return pack("<Q", len(raw) if length is None else length) + raw + data


def weights(names: Sequence[str] = tuple(SHAPES), replaced: Mapping[str, bytes] | None = None) -> bytes:
    """The base model's tensors `names` as one file, the bytes of some `replaced`."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for seed, name in enumerate(names):
        count = 1
        for size in SHAPES[name]:
            count *= size
        raw = (replaced or {}).get(name, values(count, seed))
        header[name] = entry("F32", SHAPES[name], (len(data), len(data) + len(raw)))
        data += raw
    return file(header, data)


def folder(**replaced: bytes | None) -> dict[str, bytes]:
    """The base model's folder; `replaced` by name with __ for the dot, None leaves a file out, others are added."""
    files: dict[str, bytes | None] = {
        "config.json": text(CONFIG),
        "model.safetensors": weights(),
        "tokenizer.json": text(TOKENIZER),
        "tokenizer_config.json": text(TOKENIZER_CONFIG),
    }
    files |= {name.replace("__", "."): data for name, data in replaced.items()}
    return {name: data for name, data in files.items() if data is not None}


def sharded(
    first: Sequence[str], second: Sequence[str], weight_map: object = None, **replaced: bytes
) -> dict[str, bytes]:
    """The folder with its weights in two shards and an index over them, or the `weight_map` given."""
    stated = {**dict.fromkeys(first, SHARDS[0]), **dict.fromkeys(second, SHARDS[1])}
    index = {"metadata": {"total_size": 0}, "weight_map": stated if weight_map is None else weight_map}
    files = folder(model__safetensors=None)
    files |= {SHARDS[0]: weights(first), SHARDS[1]: weights(second), INDEX: text(index)}
    return files | {name.replace("__", "."): data for name, data in replaced.items()}
