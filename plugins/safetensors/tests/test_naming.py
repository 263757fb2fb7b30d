"""Names and pieces that files have, and the ones that the tables have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from hub.errors import DamagedFile
from hub_safetensors import SafeTensors

Make = Callable[..., Path]
FORMAT = SafeTensors()

GPT2 = {"model_type": "gpt2", "n_embd": 4, "n_layer": 1, "n_head": 2, "n_positions": 8, "vocab_size": 6}
BERT = {
    "model_type": "bert", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
    "max_position_embeddings": 8, "vocab_size": 6, "type_vocab_size": 2,
}  # fmt: skip
MOE = {
    "model_type": "qwen3_moe", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 2,
    "num_key_value_heads": 1, "intermediate_size": 8, "moe_intermediate_size": 3, "num_experts": 2, "vocab_size": 6,
}  # fmt: skip
MIXTRAL = {**MOE, "model_type": "mixtral", "num_local_experts": 2, "intermediate_size": 3}


def _ones(**shapes: tuple[int, ...]) -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {k.replace("__", "."): random.standard_normal(s).astype(np.float32) for k, s in shapes.items()}


def _round_trip(path: Path, write: Callable[..., Path], tmp_path: Path) -> None:
    back = write(FORMAT.read(path), tmp_path / "back")
    assert (back / "model.safetensors").read_bytes() == (path / "model.safetensors").read_bytes()


def test_a_missing_prefix_is_put_on_and_taken_off(make_folder: Make, write: Make, tmp_path: Path) -> None:
    path = make_folder(_ones(wte__weight=(6, 4), h__0__ln_1__bias=(4,), ln_f__weight=(4,)), GPT2)
    assert set(FORMAT.read(path).tensors) == {
        "transformer.wte.weight", "transformer.h.0.ln_1.bias", "transformer.ln_f.weight",
    }  # fmt: skip
    _round_trip(path, write, tmp_path)


def test_a_prefix_too_many_and_old_endings(make_folder: Make, write: Make, tmp_path: Path) -> None:
    arrays = _ones(
        bert__embeddings__word_embeddings__weight=(6, 4),
        bert__embeddings__LayerNorm__gamma=(4,),
        bert__encoder__layer__0__output__LayerNorm__beta=(4,),
    )
    path = make_folder(arrays, BERT)
    assert set(FORMAT.read(path).tensors) == {
        "embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight", "encoder.layer.0.output.LayerNorm.bias",
    }  # fmt: skip
    _round_trip(path, write, tmp_path)


def test_buffers_are_set_aside_and_come_back(make_folder: Make, write: Make, tmp_path: Path) -> None:
    arrays = _ones(wte__weight=(6, 4), h__0__attn__bias=(1, 1, 8, 8), h__0__attn__c_attn__bias=(12,))
    path = make_folder(arrays, GPT2)
    model = FORMAT.read(path)
    assert set(model.tensors) == {"transformer.wte.weight", "transformer.h.0.attn.c_attn.bias"}
    assert any("h.0.attn.bias" in note for note in model.notes)
    _round_trip(path, write, tmp_path)


@pytest.mark.parametrize("kind", ["qwen3_moe", "mixtral"])
def test_stacked_experts_come_apart_and_together(make_folder: Make, write: Make, tmp_path: Path, kind: str) -> None:
    arrays = _ones(
        model__embed_tokens__weight=(6, 4),
        model__layers__0__mlp__gate__weight=(2, 4),
        model__layers__0__mlp__experts__gate_up_proj=(2, 6, 4),
        model__layers__0__mlp__experts__down_proj=(2, 4, 3),
    )
    path = make_folder(arrays, MIXTRAL if kind == "mixtral" else MOE)
    model = FORMAT.read(path)
    layer = "model.layers.0."
    fused = arrays[f"{layer}mlp.experts.gate_up_proj"]
    names = {
        "qwen3_moe": ("mlp", "gate_proj", "up_proj", "down_proj"),
        "mixtral": ("block_sparse_moe", "w1", "w3", "w2"),
    }
    block, gate, up, down = names[kind]
    for expert in range(2):
        where = f"{layer}{block}.experts.{expert}."
        assert model.tensors[f"{where}{gate}.weight"].read() == fused[expert, :3].tobytes()
        assert model.tensors[f"{where}{up}.weight"].read() == fused[expert, 3:].tobytes()
        stack = arrays[f"{layer}mlp.experts.down_proj"]
        assert model.tensors[f"{where}{down}.weight"].read() == stack[expert].tobytes()
    assert f"{layer}{block}.gate.weight" in model.tensors
    assert not any("gate_up" in name for name in model.tensors)
    _round_trip(path, write, tmp_path)
    sources = {p.tensor.name: p.sources for p in FORMAT.plan(model, _folder_options()).tensors}
    assert len(sources[f"{layer}mlp.experts.gate_up_proj"]) == 4


def _folder_options() -> Any:
    from hub.interface import Options

    return Options(folder=True)


def test_two_tensors_of_one_name_are_refused(make_folder: Make) -> None:
    path = make_folder(_ones(wte__weight=(6, 4), transformer__wte__weight=(6, 4)), GPT2)
    with pytest.raises(DamagedFile, match=r"another tensor is 'transformer.wte.weight' already"):
        FORMAT.read(path)


def test_an_unknown_architecture_keeps_its_names(make_folder: Make, write: Make, tmp_path: Path) -> None:
    path = make_folder(_ones(anything__at_all=(2, 2)), {"model_type": "unheard_of"})
    model = FORMAT.read(path)
    assert model.naming == "native"
    _round_trip(path, write, tmp_path)
    assert list(load_file(tmp_path / "back" / "model.safetensors")) == ["anything.at_all"]
