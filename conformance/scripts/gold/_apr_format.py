"""Files that the crate `apr-format` writes, through the small program beside this module.

Needs cargo. Keys and their meaning are those of the container's own metadata.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from conformance.scripts.gold._inputs import (
    CONFIG,
    GOLD,
    MERGES,
    TOKENS,
    TYPES,
    Array,
    byte_level,
    llama,
    tensor,
    write_expected,
)
from hub.ir import Tensor

HERE = Path(__file__).parent / "apr"
VERSION = "0.72.3"  # as in its Cargo.toml
HALVES = ("F32", "F16", "BF16")

METADATA: dict[str, Any] = {
    "model_type": "llama",
    "name": "Gold",
    "architecture": "llama",
    "hf_architecture": "LlamaForCausalLM",
    "hf_model_type": "llama",
    "hidden_size": CONFIG["hidden_size"],
    "num_layers": CONFIG["num_hidden_layers"],
    "num_heads": CONFIG["num_attention_heads"],
    "num_kv_heads": CONFIG["num_key_value_heads"],
    "vocab_size": CONFIG["vocab_size"],
    "intermediate_size": CONFIG["intermediate_size"],
    "max_position_embeddings": CONFIG["max_position_embeddings"],
    "rope_theta": CONFIG["rope_theta"],
    "rope_type": 2,
    "rms_norm_eps": CONFIG["rms_norm_eps"],
    "tokenizer.model": "gpt2",
    "tokenizer.model_type": "BPE",
    "tokenizer.pre_type": "llama-bpe",
    "tokenizer.vocabulary": TOKENS,
    "tokenizer.merges": MERGES,
    "tokenizer.token_type": TYPES,
    "tokenizer.bos_token_id": 8,
    "tokenizer.eos_token_id": 9,
}
# What the container has no key for, or says of itself only: the activation, whether the output is tied.
UNSAID = ("hidden_act", "tie_word_embeddings")
# name of the container, name of the hub, bytes of 2 rows of 256 values
DTYPES = {
    "f32": ("F32", 2048), "f16": ("F16", 1024), "bf16": ("BF16", 1024), "f64": ("F64", 4096), "i32": ("I32", 2048),
    "i64": ("I64", 4096), "i8": ("I8", 512), "u8": ("U8", 512), "q4": ("APR_Q4", 288), "q8": ("APR_Q8", 516),
    "q4_k": ("Q4_K", 288), "q6_k": ("Q6_K", 420),
}  # fmt: skip


def write() -> None:
    """A llama by the writer in memory, by the streaming one and in shards; and a file with every dtype."""
    folder = GOLD / "apr" / f"apr-format-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = _llama()
    config = {key: value for key, value in CONFIG.items() if key not in UNSAID}
    about: dict[str, Any] = {"config": config, "tokenizer": byte_level(pre="llama-bpe"), "metadata": {"name": "Gold"}}
    for name, streaming in (("llama.apr", False), ("llama-streaming.apr", True)):
        _made(folder / name, METADATA, tensors, streaming=streaming)
        write_expected(folder / name, tensors, **about)
    _shards(folder / "llama-shards.apr.json", tensors)
    write_expected(folder / "llama-shards.apr.json", tensors, **about)
    blocks = [tensor(f"t.{key}", (2, 256), encoding, _ramp(size)) for key, (encoding, size) in DTYPES.items()]
    _made(folder / "dtypes.apr", {"model_type": "gold", "name": "Gold"}, blocks)
    write_expected(folder / "dtypes.apr", blocks, {"model_type": "gold"}, naming="native", metadata={"name": "Gold"})


def _llama() -> list[Tensor]:
    """The inputs: norms in F32, the others in turn in what the loader computes with."""
    out = []
    for number, (name, values) in enumerate(llama().items()):
        encoding = "F32" if values.ndim == 1 else HALVES[number % len(HALVES)]
        out.append(tensor(name, values.shape, encoding, _bytes(values, encoding)))
    return out


def _bytes(values: Array, encoding: str) -> bytes:
    if encoding == "BF16":  # the upper half, which is a value near it
        return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return values.astype(np.float16 if encoding == "F16" else np.float32).tobytes()


def _ramp(size: int) -> bytes:
    """Bytes of which no number in any dtype is NaN."""
    return bytes(i * 7 % 61 for i in range(size))


def _made(path: Path, metadata: dict[str, Any], tensors: Iterable[Tensor], **how: Any) -> None:
    names = {encoding: key for key, (encoding, _) in DTYPES.items()}
    told = [
        {"name": t.name, "dtype": names[t.encoding.name], "shape": list(t.shape), "data": t.read().hex()}
        for t in tensors
    ]
    with tempfile.TemporaryDirectory() as scratch:
        spec = Path(scratch) / "spec.json"
        spec.write_text(json.dumps({"metadata": metadata, "tensors": told, **how}))
        command = [
            "cargo",
            "run",
            "-q",
            "--release",
            "--manifest-path",
            str(HERE / "Cargo.toml"),
            "--",
            str(spec),
            str(path),
        ]
        subprocess.run(command, check=True)  # noqa: S603


def _shards(path: Path, tensors: list[Tensor]) -> None:
    """Two shards and their manifest, which the library only defines: its fields are those of its type."""
    stem = path.name.removesuffix(".apr.json")
    shards: list[dict[str, Any]] = []
    for index, part in enumerate((tensors[:6], tensors[6:])):
        file = path.with_name(f"{stem}-{index:05}-of-00002.apr")
        _made(file, METADATA, part, shards=[2, index])
        shards.append({"filename": file.name, "index": index, "size": file.stat().st_size,
                       "tensors": [t.name for t in part]})  # fmt: skip
    told = {
        "version": "2.0",
        "shard_count": len(shards),
        "total_size": sum(shard["size"] for shard in shards),
        "tensor_count": len(tensors),
        "shards": shards,
        "weight_map": {name: shard["index"] for shard in shards for name in shard["tensors"]},
    }
    path.write_text(json.dumps(told, indent=2) + "\n")
