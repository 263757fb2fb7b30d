"""GGUF files written by the `gguf` package, an independent source, and the whole way of writing through hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter, quants
from numpy.typing import NDArray

from hub.interface import Options, Plan
from hub.ir import Lazy, Model, Tensor
from hub.pipeline import Copier, Silent, Target, default_budget
from hub_gguf import GgufFormat

Arrays = dict[str, NDArray[Any]]
Fill = Callable[[GGUFWriter], None]
WriteGguf = Callable[..., Path]


@pytest.fixture
def arrays() -> Arrays:
    """A few small tensors, row-major."""
    rng = np.random.default_rng(7)
    return {
        "token_embd.weight": rng.normal(size=(5, 8)).astype(np.float32),
        "blk.0.attn_q.weight": rng.normal(size=(4, 8)).astype(np.float16),
        "output_norm.weight": rng.normal(size=8).astype(np.float32),
    }


@pytest.fixture
def write_gguf(tmp_path: Path, arrays: Arrays) -> WriteGguf:
    """Writes a file through `gguf.GGUFWriter`: `fill(writer)` adds keys, `tensors` replaces the default ones."""

    def write(
        name: str = "model.gguf", fill: Fill | None = None, tensors: Arrays | None = None, arch: str = "toy", **how: Any
    ) -> Path:
        path = tmp_path / name
        writer = GGUFWriter(path, arch, **how)
        if fill:
            fill(writer)
        for key, array in (arrays if tensors is None else tensors).items():
            writer.add_tensor(key, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


HIDDEN, FFN, VOCABULARY, HEADS, KV_HEADS = 64, 96, 300, 2, 1


def llama_keys(writer: GGUFWriter) -> None:
    """A small llama with a byte-level vocabulary, and keys that no table knows."""
    writer.add_name("Toy Llama")
    writer.add_license("mit")
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_file_type(7)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list([f"t{i}" for i in range(VOCABULARY)])
    writer.add_token_types([1] * (VOCABULARY - 2) + [3, 3])
    writer.add_token_merges(["t 1"])
    writer.add_bos_token_id(VOCABULARY - 2)
    writer.add_eos_token_id(VOCABULARY - 1)
    writer.add_float64("maker.loss", 0.1)
    writer.add_array("maker.curve", [float(i) for i in range(100)])
    writer.add_array("maker.nested", [[1, 2], [3]])
    writer.add_key_value("maker.nan", float("nan"), GGUFValueType.FLOAT32)
    writer.add_quantization_version(2)


@pytest.fixture
def llama_file(tmp_path: Path) -> Path:
    """A small llama in Q8_0, Q4_0, F16, BF16 and F32, written by the `gguf` package."""
    rng = np.random.default_rng(3)
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        "token_embd.weight": ((VOCABULARY, HIDDEN), "Q8_0"),
        "blk.0.attn_norm.weight": ((HIDDEN,), "F32"),
        "blk.0.ffn_down.weight": ((HIDDEN, FFN), "Q4_0"),
        "blk.0.ffn_gate.weight": ((FFN, HIDDEN), "F16"),
        "blk.0.ffn_up.weight": ((FFN, HIDDEN), "BF16"),
        "blk.0.ffn_norm.weight": ((HIDDEN,), "F32"),
        "blk.0.attn_k.weight": ((HIDDEN // HEADS * KV_HEADS, HIDDEN), "Q8_0"),
        "blk.0.attn_output.weight": ((HIDDEN, HIDDEN), "F32"),
        "blk.0.attn_q.weight": ((HIDDEN, HIDDEN), "Q4_0"),
        "blk.0.attn_v.weight": ((HIDDEN // HEADS * KV_HEADS, HIDDEN), "Q4_0"),
        "output_norm.weight": ((HIDDEN,), "F32"),
    }
    path = tmp_path / "llama.gguf"
    writer = GGUFWriter(path, "llama")
    llama_keys(writer)
    for name, (shape, encoding) in shapes.items():
        kind = GGMLQuantizationType[encoding]
        data = quants.quantize(rng.normal(size=shape).astype(np.float32), kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def settled(model: Model) -> Model:
    """`model` as another format would give it back: tensors as bytes, source blocks as JSON texts, no path."""
    tensors = {n: Tensor.from_bytes(n, t.shape, t.encoding, t.read()) for n, t in model.tensors.items()}
    source = json.loads(json.dumps(model.source.get(), allow_nan=False))
    return replace(model, tensors=tensors, source=Lazy.of(source), files=dict(model.files), path=None)


@pytest.fixture
def pass_on() -> Callable[[Model], Model]:
    """`settled`: what is left of a model after a stay in another format."""
    return settled


@pytest.fixture
def write_model() -> Callable[..., Plan]:
    """Plans and writes a model to a path as the hub does, without its verification."""

    def write(model: Model, path: Path, **options: Any) -> Plan:
        fmt, how = GgufFormat(), Options(**options)
        plan = fmt.plan(model, how)
        with Target(path, Copier(default_budget(), Silent()), folder=False, overwrite=False) as target:
            fmt.write(plan, target, how)
            target.commit()
        return plan

    return write
