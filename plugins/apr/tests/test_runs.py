"""What the inference loader would miss; the reference files say for three of them whether it would run them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.errors import UsageError
from hub.interface import Options
from hub.ir import ENCODINGS, Config, Lazy, Model, Tensor, Tokenizer
from hub_apr import APR
from hub_apr._runs import missing
from hub_apr.container import Container, open_any

Write = Callable[..., Path]

CONFIG = {
    "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 16,
    "num_key_value_heads": 2, "intermediate_size": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
}  # fmt: skip
SHAPES = {
    "embed_tokens": (16, 32), "norm": (32,), "layers.0.input_layernorm": (32,), "layers.0.mlp.up_proj": (64, 32),
    "layers.0.post_attention_layernorm": (32,), "layers.0.self_attn.q_proj": (32, 32),
    "layers.0.self_attn.k_proj": (16, 32), "layers.0.self_attn.v_proj": (16, 32),
    "layers.0.mlp.gate_proj": (64, 32), "layers.0.self_attn.o_proj": (32, 32), "layers.0.mlp.down_proj": (32, 64),
}  # fmt: skip


def opened(path: Path) -> Container:
    found = open_any(path)
    assert isinstance(found, Container)
    return found


def obstacles(path: Path) -> list[str]:
    container = opened(path)
    return missing(container.metadata, {e.name: e.shape for e in container.entries})


@pytest.fixture
def llama() -> Model:
    f16 = ENCODINGS["F16"]
    tensors = {f"model.{n}.weight": Tensor.from_bytes("", s, f16, bytes(f16.size(s))) for n, s in SHAPES.items()}
    tokenizer = Tokenizer("bpe", [f"t{i}" for i in range(16)], merges=["t 0"], pre="llama-bpe")
    return Model({n: t.named(n) for n, t in tensors.items()}, Config(CONFIG), Lazy.of(tokenizer))


def test_the_reference_files(apr: Path, manifest: dict[str, dict[str, Any]]) -> None:
    told = {name: entry["runcheck"] for name, entry in manifest.items() if "runcheck" in entry}
    assert len(told) == 3
    for name, check in told.items():
        found = obstacles(apr / name)
        assert (not found) == check["ok"], name
        assert len(found) == len(check["problems"]), name


def with_blocks(model: Model, name: str) -> Model:
    """`model` with one matrix in Q8_0, which APR has no dtype for."""
    old, q8 = model.tensors[name], ENCODINGS["Q8_0"]
    new = Tensor.from_bytes(name, old.shape, q8, bytes(q8.size(old.shape)))
    return replace(model, tensors={**model.tensors, name: new})


@pytest.mark.parametrize("options", [Options(), Options(portable=True)])
def test_what_we_write_would_run(options: Options, llama: Model, write: Write) -> None:
    if options.portable:
        llama = with_blocks(llama, "model.layers.0.mlp.down_proj.weight")
    assert not obstacles(write(llama, options))
    container = opened(write(llama, options))
    vectors = {e.dtype.name for e in container.entries if len(e.shape) == 1}
    matrices = {e.dtype.runs for e in container.entries if len(e.shape) == 2}
    assert (vectors, matrices) == ({"f32"}, {True})
    assert not any("would not run" in note for note in APR().plan(llama, options).notes)


def test_portable_without_anything_to_decode_is_an_error(llama: Model) -> None:
    with pytest.raises(UsageError, match="--portable has no effect"):
        APR().plan(llama, Options(portable=True))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("hidden_size", 65540, "hidden_size is 65540"),
        ("hidden_size", 30, "4 heads do not divide hidden_size 30"),
        ("num_key_value_heads", 3, "3 key and value heads do not divide 4"),
        ("vocab_size", 17, "has no dimension 17"),
        ("num_hidden_layers", 2, "no tensor model.layers.1"),
        ("intermediate_size", None, "no intermediate_size"),
    ],
)
def test_the_plan_says_what_is_missing(key: str, value: Any, says: str, llama: Model) -> None:
    model = Model(llama.tensors, llama.config.merged({key: value}), llama.tokenizer)
    assert any(says in note for note in APR().plan(model, Options()).notes if "would not run" in note)


def test_no_tokenizer(llama: Model) -> None:
    note = APR().plan(Model(llama.tensors, llama.config), Options()).notes[-1]
    assert note == "apr lists this model and would not run it: no tokenizer with merges or scores"


def test_layers_are_not_counted_on_a_files_word() -> None:
    assert len(missing({"num_layers": 1 << 60}, {})) < 3000
    assert np.iinfo(np.int64).max > len(missing({"num_layers": "many"}, {}))
