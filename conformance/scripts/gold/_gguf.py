"""Files that the package `gguf` writes."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter, quants

from conformance.scripts.gold._inputs import (
    CONFIG,
    GOLD,
    MERGES,
    TOKENS,
    TYPES,
    byte_level,
    gguf_name,
    halved,
    interleaved,
    llama,
    tensor,
    turned,
    write_expected,
)
from hub.ir import Tensor

ENCODINGS = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")

# What the file says beyond the config that it was written from: it has no bias tensors, its vocabulary names the ids,
# and most of its bytes are F16.
IN_THE_FILE = {
    "attention_bias": False, "mlp_bias": False, "bos_token_id": 8, "eos_token_id": 9, "torch_dtype": "float16",
}  # fmt: skip


def write() -> None:
    """A llama in eight encodings, and a model of no known architecture with a key of every type."""
    folder = GOLD / "gguf" / f"gguf-{version('gguf')}"
    folder.mkdir(parents=True, exist_ok=True)
    _llama(folder / "llama.gguf")
    _types(folder / "types.gguf")


def _llama(path: Path) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_name("Gold")
    writer.add_block_count(CONFIG["num_hidden_layers"])
    writer.add_context_length(CONFIG["max_position_embeddings"])
    writer.add_embedding_length(CONFIG["hidden_size"])
    writer.add_feed_forward_length(CONFIG["intermediate_size"])
    writer.add_head_count(CONFIG["num_attention_heads"])
    writer.add_head_count_kv(CONFIG["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(CONFIG["rms_norm_eps"])
    writer.add_rope_freq_base(CONFIG["rope_theta"])
    writer.add_rope_dimension_count(CONFIG["hidden_size"] // CONFIG["num_attention_heads"])
    writer.add_vocab_size(CONFIG["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(TOKENS)
    writer.add_token_types(TYPES)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(8)
    writer.add_eos_token_id(9)
    expected = []
    for number, (name, values) in enumerate(llama().items()):
        encoding = "F32" if values.ndim == 1 else ENCODINGS[number % len(ENCODINGS)]
        kind, heads = GGMLQuantizationType[encoding], turned(name, CONFIG)
        stored = quants.quantize(interleaved(values, heads) if heads else values, kind)
        writer.add_tensor(gguf_name(name), stored, raw_dtype=kind)
        raw = stored.reshape(values.shape[0], -1)
        expected.append(tensor(name, values.shape, encoding, (halved(raw, heads) if heads else raw).tobytes()))
    _close(writer)
    write_expected(path, expected, CONFIG | IN_THE_FILE, byte_level(pre="llama-bpe"), metadata={"name": "Gold"})


SCALARS: dict[str, tuple[Any, GGUFValueType]] = {
    "gold.uint8": (255, GGUFValueType.UINT8),
    "gold.int8": (-128, GGUFValueType.INT8),
    "gold.uint16": (65535, GGUFValueType.UINT16),
    "gold.int16": (-32768, GGUFValueType.INT16),
    "gold.uint32": (4294967295, GGUFValueType.UINT32),
    "gold.int32": (-2147483648, GGUFValueType.INT32),
    "gold.uint64": (18446744073709551615, GGUFValueType.UINT64),
    "gold.int64": (-9223372036854775808, GGUFValueType.INT64),
    "gold.float32": (0.1, GGUFValueType.FLOAT32),
    "gold.float64": (0.1, GGUFValueType.FLOAT64),
    "gold.bool": (True, GGUFValueType.BOOL),
    "gold.string": ("h\u00e9llo \U0001f917", GGUFValueType.STRING),
}


def _types(path: Path) -> None:
    writer = GGUFWriter(path, "gold")
    for key, (value, kind) in SCALARS.items():
        writer.add_key_value(key, value, kind)
    writer.add_array("gold.numbers", [1, 2, 3])
    writer.add_array("gold.fractions", [0.5, -0.25])
    writer.add_array("gold.strings", ["", "one", "\u4e8c"])
    writer.add_array("gold.flags", [True, False])
    writer.add_array("gold.nested", [[1, 2], [3]])
    writer.add_custom_alignment(128)
    expected: list[Tensor] = []
    for name, dtype, shape in (
        ("plain.f32", np.float32, (3,)), ("plain.f64", np.float64, (2, 3)), ("plain.f16", np.float16, (2, 1, 3)),
        ("plain.i8", np.int8, (5,)), ("plain.i16", np.int16, (2, 2)), ("plain.i32", np.int32, (1, 7)),
        ("plain.i64", np.int64, (2, 2, 2, 2)),
    ):  # fmt: skip
        values = (np.arange(np.prod(shape)) - 2).reshape(shape).astype(dtype)
        writer.add_tensor(name, values)
        expected.append(tensor(name, shape, name.removeprefix("plain.").upper(), values.tobytes()))
    _close(writer)
    write_expected(path, expected, naming="native")


def _close(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
