"""Fused projections and Gemma's norms: as the inference loader wants them in the file, as they were when read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub import codecs
from hub.errors import DamagedFile
from hub.interface import Options
from hub.ir import ENCODINGS, Change, Config, Model, Tensor
from hub_apr import APR
from hub_apr._suited import Undo
from hub_apr.container import Container, open_any

Write = Callable[..., Path]

PHI = {"model_type": "phi3", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
       "num_hidden_layers": 1, "intermediate_size": 32, "vocab_size": 8}  # fmt: skip
QKV, GATE_UP = "model.layers.0.self_attn.qkv_proj.weight", "model.layers.0.mlp.gate_up_proj.weight"


def tensor(name: str, shape: tuple[int, ...], encoding: str) -> Tensor:
    kind = ENCODINGS[encoding]
    ramp = np.arange(kind.size(shape), dtype=np.int64) * 7 % 61
    return Tensor.from_bytes(name, shape, kind, ramp.astype(np.uint8))


def model_of(config: dict[str, Any], *tensors: Tensor) -> Model:
    return Model({t.name: t for t in tensors}, Config(config))


def container(path: Path) -> Container:
    opened = open_any(path)
    assert isinstance(opened, Container)
    return opened


@pytest.mark.parametrize("encoding", ["F32", "BF16", "Q8_0", "Q4_0"])
@pytest.mark.parametrize("options", [Options(), Options(compression="zstd"), Options(shard_size=30_000)])
def test_fused_rows_lie_apart_and_come_back_whole(encoding: str, options: Options, write: Write) -> None:
    model = model_of(PHI, tensor(QKV, (128, 64), encoding), tensor(GATE_UP, (64, 64), encoding))
    plan = APR().plan(model, options)
    names = [p.tensor.name.split(".", 3)[3] for p in plan.tensors]
    assert names == [*(f"self_attn.{x}_proj.weight" for x in "qkv"), "mlp.gate_proj.weight", "mlp.up_proj.weight"]
    assert [p.tensor.rows.n for p in plan.tensors] == [64, 32, 32, 32, 32]
    back = APR().read(write(model, options))
    assert list(back.tensors) == [QKV, GATE_UP]
    for name, source in model.tensors.items():
        found = back.tensors[name]
        assert (found.shape, found.encoding, found.read()) == (source.shape, source.encoding, source.read())


@pytest.mark.parametrize("config", [{**PHI, "num_attention_heads": 8}, {"model_type": "phi3"}, {"model_type": "llama"}])
def test_rows_that_the_config_does_not_explain_stay_together(config: dict[str, Any], write: Write) -> None:
    model = model_of(config, tensor(QKV, (128, 64), "F32"))
    assert [e.name for e in container(write(model)).entries] == [QKV]


@pytest.mark.parametrize("kind", ["gemma", "gemma2", "gemma3_text"])
@pytest.mark.parametrize("encoding", ["F32", "F16", "BF16"])
def test_gemmas_norms_have_their_one_in_the_file(kind: str, encoding: str, write: Write) -> None:
    weights = np.array([[0.0, 0.5, -0.25, 3.0, -1.0, 2.0**-8, 100.0, -2.0]], np.float32)
    raw = codecs.encode(ENCODINGS[encoding], weights)
    norm = Tensor.from_bytes("model.norm.weight", (8,), ENCODINGS[encoding], raw)
    model = model_of({"model_type": kind}, norm, tensor("w.weight", (2, 32), "F32"))
    path = write(model)
    (entry,) = (e for e in container(path).entries if e.name == norm.name)
    assert entry.dtype.name == "f32"
    assert np.array_equal(np.frombuffer(container(path).read(entry), "<f4"), weights[0] + 1)
    assert "hub.exact" not in container(path).metadata
    found = APR().read(path).tensors[norm.name]
    assert (found.encoding, found.read(), found.change) == (norm.encoding, norm.read(), Change.EXACT)


@pytest.mark.parametrize("encoding", ["F32", "F16", "BF16"])
def test_a_weight_that_the_sum_would_round_is_kept(encoding: str, write: Write) -> None:
    weights = np.array([[2.0**-24, -0.0, 1e-30 if encoding != "F16" else 2.0**-20, 0.3]], np.float32)
    norm = Tensor.from_bytes("a.norm.weight", (4,), ENCODINGS[encoding], codecs.encode(ENCODINGS[encoding], weights))
    path = write(model_of({"model_type": "gemma2"}, norm))
    assert "hub.exact" in container(path).metadata
    found = APR().read(path).tensors[norm.name]
    assert (found.encoding, found.read()) == (norm.encoding, norm.read())


def test_a_norm_that_had_its_one_comes_back_bit_for_bit(write: Write) -> None:
    stored = np.linspace(0.5, 9.7, 300, dtype=np.float32)
    source = Tensor.from_bytes("a.norm.weight", (300,), ENCODINGS["F32"], stored.tobytes())
    path = write(model_of({"model_type": "gemma"}, codecs.shift(source, -1.0)))
    (entry,) = container(path).entries
    assert container(path).read(entry) == stored.tobytes()
    assert codecs.shift(APR().read(path).tensors[source.name], 1.0).read() == stored.tobytes()


@pytest.mark.parametrize(
    "metadata",
    [
        {"hub.joined": [1]}, {"hub.joined": {"a": 5}}, {"hub.joined": {"a": []}}, {"hub.joined": {"a": [1]}},
        {"hub.shifted": {"a": 1}}, {"hub.exact": [1]}, {"hub.exact": {"a": ["Q9", [1], {}]}},
        {"hub.exact": {"a": ["F32", [9], {"hub.zlib": "eJwDAAAAAAE=", "size": 0}]}},
    ],
)  # fmt: skip
def test_damaged_keys(metadata: dict[str, Any]) -> None:
    with pytest.raises(DamagedFile):
        Undo(metadata, Path("model.apr"))


def test_pieces_that_do_not_fit() -> None:
    undo = Undo({"hub.joined": {"w": ["a", "b"]}, "hub.shifted": ["s"]}, Path("model.apr"))
    with pytest.raises(DamagedFile, match="do not fit together"):
        undo.join({"a": tensor("a", (2, 4), "F32")})
    with pytest.raises(DamagedFile, match="do not fit together"):
        undo.join({"a": tensor("a", (2, 4), "F32"), "b": tensor("b", (2, 5), "F32")})
    with pytest.raises(DamagedFile, match="has 1 added, but is U8"):
        undo.shift(tensor("s", (4,), "U8"))
