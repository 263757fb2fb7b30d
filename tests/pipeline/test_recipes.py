"""Recipes as data, their decisions on small models, and the importance matrices that weigh them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from hub.errors import DamagedFile, MissingFact, UsageError
from hub.ir import ENCODINGS, F32, Config, MemoryRows, Model, Tensor
from hub.pipeline import Rule, encoded
from hub.recipes import RECIPES, Part, choose, part, read_importance

Floats = NDArray[np.float32]
LLAMA = {
    "model_type": "llama", "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 8,
    "hidden_size": 256, "intermediate_size": 32, "max_position_embeddings": 64, "vocab_size": 32, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
}  # fmt: skip


def _tensor(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, F32, MemoryRows(np.zeros((int(np.prod(shape[:-1])), 4 * shape[-1]), np.uint8)))


def _model(columns: int = 256, head: bool = False, **config: object) -> Model:
    inner = ("q", "k", "v", "o")
    names = [f"model.layers.{i}.self_attn.{x}_proj.weight" for i in range(8) for x in inner]
    names += [f"model.layers.{i}.mlp.{x}_proj.weight" for i in range(8) for x in ("gate", "up", "down")]
    names += ["model.embed_tokens.weight", *(["lm_head.weight"] if head else [])]
    tensors = {name: _tensor(name, 32, columns) for name in names}
    tensors["model.norm.weight"] = _tensor("model.norm.weight", columns)
    return Model(tensors, config=Config(LLAMA | config))


def _of(model: Model, recipe: str, end: str) -> list[str]:
    chosen = choose(RECIPES[recipe], model)
    return [chosen[name].encoding.name for name in model.tensors if name.endswith(end)]


def test_every_word_of_the_table_is_an_encoding() -> None:
    assert {name for recipe in RECIPES.values() for name in recipe.encodings} <= ENCODINGS.keys()
    assert len({recipe.number for recipe in RECIPES.values()}) == len(RECIPES)


def test_more_bits_for_the_first_and_last_layers_and_every_third() -> None:
    assert _of(_model(), "q4_k_m", "v_proj.weight") == ["Q6_K", "Q4_K", "Q4_K", "Q6_K", "Q4_K", "Q4_K", "Q6_K", "Q6_K"]
    assert _of(_model(), "q4_k_m", "down_proj.weight") == _of(_model(), "q4_k_m", "v_proj.weight")
    assert set(_of(_model(), "q4_k_m", "gate_proj.weight")) == {"Q4_K"}


def test_the_embedding_is_the_output_where_there_is_no_other() -> None:
    assert _of(_model(), "q4_k_m", "embed_tokens.weight") == ["Q6_K"]
    assert _of(_model(head=True), "q4_k_m", "embed_tokens.weight") == ["Q4_K"]
    assert _of(_model(head=True), "q4_k_m", "lm_head.weight") == ["Q6_K"]


def test_heads_that_share_keys_and_values() -> None:
    assert set(_of(_model(), "q2_k", "v_proj.weight")) == {"Q3_K"}
    assert set(_of(_model(num_key_value_heads=2), "q2_k", "v_proj.weight")) == {"Q4_K"}


def test_rows_that_are_not_whole_blocks() -> None:
    assert set(_of(_model(columns=96), "q4_k_s", "gate_proj.weight")) == {"Q5_0"}
    assert set(_of(_model(columns=96), "q4_k_s", "embed_tokens.weight")) == {"Q8_0"}
    assert set(_of(_model(columns=40), "q4_k_s", "gate_proj.weight")) == {"F16"}


def test_norms_stay() -> None:
    assert "model.norm.weight" not in choose(RECIPES["q8_0"], _model())


def test_a_recipe_needs_the_number_of_layers() -> None:
    model = Model(_model().tensors)
    with pytest.raises(MissingFact, match="num_hidden_layers"):
        choose(RECIPES["q4_k_m"], model)


@pytest.mark.parametrize("recipe", ["iq2_xxs", "iq1_s", "q2_k_s"])
def test_a_recipe_that_needs_an_importance_matrix(recipe: str) -> None:
    with pytest.raises(UsageError, match=f"--encode {recipe} needs an importance matrix"):
        choose(RECIPES[recipe], _model())


@pytest.mark.parametrize(
    ("name", "known", "kind"),
    [
        ("transformer.h.3.attn.c_attn.weight", "blk.3.attn_qkv.weight", Part.VALUE),
        ("encoder.layer.1.output.dense.weight", "blk.1.ffn_down.weight", Part.DOWN),
        ("encoder.layer.1.attention.output.dense.weight", "blk.1.attn_output.weight", Part.OUT),
        ("model.layers.2.block_sparse_moe.gate.weight", "blk.2.ffn_gate_inp.weight", Part.KEPT),
        ("model.layers.2.mlp.experts.7.up_proj.weight", "blk.2.ffn_up_exps.weight", Part.UP),
        ("model.layers.2.mlp.shared_expert.down_proj.weight", "blk.2.ffn_down_shexp.weight", Part.DOWN),
        ("transformer.wpe.weight", "position_embd.weight", Part.KEPT),
        ("embed_out.weight", "output.weight", Part.OUTPUT),
        ("model.layers.0.self_attn.k_proj.bias", "blk.0.attn_k.bias", Part.KEPT),
    ],
)
def test_parts_by_both_names(name: str, known: str, kind: Part) -> None:
    assert (part(name), part(known)) == (kind, kind)


def test_a_pattern_comes_beside_a_recipe() -> None:
    done, reasons, _ = encoded(_model(), [Rule.parse("q4_k_s"), Rule.parse("q6_k:gate_proj")])
    assert {t.encoding.name for n, t in done.tensors.items() if "gate_proj" in n} == {"Q6_K"}
    assert {t.encoding.name for n, t in done.tensors.items() if "up_proj" in n} == {"Q4_K"}
    assert reasons["model.layers.0.mlp.gate_proj.weight"] == "--encode q6_k"


def test_a_recipe_takes_no_pattern() -> None:
    with pytest.raises(UsageError, match="q4_k_m is a recipe for whole models"):
        Rule.parse("q4_k_m:attn")


def test_a_fallback_is_a_reason() -> None:
    _, reasons, _ = encoded(_model(columns=96), [Rule.parse("q4_k_m")])
    assert reasons["model.layers.0.mlp.up_proj.weight"] == "--encode q4_k_m: rows of 96 are not whole blocks of Q4_K"


Entries = dict[str, tuple[Floats, Floats]]
Write = Callable[[Path, Entries], Path]


def _new(path: Path, entries: Entries) -> Path:
    writer = gguf.GGUFWriter(path, "none")
    writer.kv_data[0].pop("general.architecture")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["text.txt"])
    writer.add_uint32("imatrix.chunk_count", 3)
    writer.add_uint32("imatrix.chunk_size", 512)
    for name, (sums, counts) in entries.items():
        writer.add_tensor(f"{name}.in_sum2", sums)
        writer.add_tensor(f"{name}.counts", counts)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _old(path: Path, entries: Entries) -> Path:
    parts = [struct.pack("<i", len(entries))]
    for name, (sums, counts) in entries.items():
        raw = name.encode()
        parts.append(struct.pack("<i", len(raw)) + raw + struct.pack("<ii", int(counts.flat[0]), sums.size))
        parts.append(sums.astype("<f4").tobytes())
    path.write_bytes(b"".join(parts) + struct.pack("<ii", 3, 8) + b"text.txt")
    return path


@pytest.fixture
def entries() -> Entries:
    return {
        "blk.0.ffn_up.weight": (np.full((1, 256), 6, np.float32), np.full((1, 1), 3, np.float32)),
        "blk.1.ffn_up.weight": (np.full((1, 256), 5, np.float32), np.full((1, 1), 2, np.float32)),
    }


@pytest.mark.parametrize("write", [_new, _old])
def test_reading(write: Write, entries: Entries, tmp_path: Path) -> None:
    found = read_importance(write(tmp_path / "imatrix", entries))
    assert {name: set(values.tolist()) for name, values in found.values.items()} == {
        "blk.0.ffn_up.weight": {2.0}, "blk.1.ffn_up.weight": {2.5},
    }  # fmt: skip
    by_name = found.of(_model())
    assert sorted(by_name) == ["model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight"]


def test_experts_that_saw_nothing_count_evenly(tmp_path: Path) -> None:
    sums = np.array([[4] * 256, [7] * 256], np.float32)
    path = _new(tmp_path / "imatrix", {"blk.0.ffn_up_exps.weight": (sums, np.array([[2], [0]], np.float32))})
    values = read_importance(path).values["blk.0.ffn_up_exps.weight"]
    assert (values.size, set(values[:256]), set(values[256:])) == (512, {2.0}, {1.0})


def test_another_models_file(entries: Entries, tmp_path: Path) -> None:
    entries["blk.0.ffn_up.weight"] = (np.ones((1, 200), np.float32), np.ones((1, 1), np.float32))
    found = read_importance(_old(tmp_path / "imatrix", entries))
    with pytest.raises(UsageError, match=r"200 values for blk\.0\.ffn_up\.weight, 256 were expected"):
        found.of(_model())


def test_without_anything_to_weigh_it_has_no_effect(entries: Entries, tmp_path: Path) -> None:
    found = read_importance(_old(tmp_path / "imatrix", entries))
    with pytest.raises(UsageError, match="--imatrix has no effect"):
        encoded(_model(), [Rule.parse("q8_0:*")], found)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_importance(tmp_path / "none")


@pytest.mark.parametrize("length", [0, 3, 4, 7, 8, 20, 27, 31, 35, 40, 1000])
def test_a_file_that_is_cut(length: int, entries: Entries, tmp_path: Path) -> None:
    path = _old(tmp_path / "imatrix", entries)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedFile):
        read_importance(path)


@pytest.mark.parametrize(
    ("at", "number", "what"),
    [(0, 0, "number of entries"), (0, 1 << 30, "number of entries"), (4, -1, "length of a name"),
     (4, 1 << 30, "length of a name"), (27, -2, "number of calls"), (31, 0, "number of values"),
     (31, 1 << 30, "number of values")],
)  # fmt: skip
def test_numbers_that_cannot_be(at: int, number: int, what: str, entries: Entries, tmp_path: Path) -> None:
    path = _old(tmp_path / "imatrix", entries)
    data = bytearray(path.read_bytes())
    struct.pack_into("<i", data, at, number)
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match=what):
        read_importance(path)


def _odd(entries: Entries, change: str) -> Any:
    sums, counts = entries["blk.0.ffn_up.weight"]
    odd = {
        "nan": (np.where(np.arange(256) == 9, np.nan, sums).astype(np.float32), counts),
        "inf counts": (sums, counts * np.float32(np.inf)),
        "float16": (sums.astype(np.float16).view(np.float16), counts),
        "uneven": (sums, np.ones((1, 3), np.float32)),
    }[change]
    return {**entries, "blk.0.ffn_up.weight": odd}


@pytest.mark.parametrize(
    ("change", "what"),
    [("nan", "no finite number"), ("inf counts", "no finite number"), ("float16", "float32 sums"),
     ("uneven", "256 sums for 3 counts")],
)  # fmt: skip
def test_ggufs_that_are_no_importance_matrix(change: str, what: str, entries: Entries, tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match=what):
        read_importance(_new(tmp_path / "imatrix", _odd(entries, change)))


def test_another_gguf(tiny_gguf: Path) -> None:
    with pytest.raises(DamagedFile, match="no tensor of an importance matrix"):
        read_importance(tiny_gguf)


@pytest.mark.parametrize("lines", [["q4_k_s"], ["q4_k:up_proj"]])
def test_what_has_no_importance_is_said(lines: Sequence[str], entries: Entries, tmp_path: Path) -> None:
    from hub import codecs

    if "ggml" not in [codec.name for codec in codecs.available()]:
        pytest.skip("llama-cpp-python is not installed: no codec takes an importance")
    found = read_importance(_old(tmp_path / "m.dat", entries))
    done, _, said = encoded(_model(), [Rule.parse(line) for line in lines], found)
    assert said[0].startswith("m.dat has nothing for ")
    assert done.tensors["model.layers.0.mlp.up_proj.weight"].encoding.name == "Q4_K"


def test_experts_are_told_apart() -> None:
    tensors = {
        name: _tensor(name, 32, 256)
        for name in ("model.layers.0.mlp.experts.3.up_proj.weight", "model.layers.0.self_attn.q_proj.weight")
    }
    chosen = choose(RECIPES["mxfp4_moe"], Model(tensors, config=Config(LLAMA)))
    assert [choice.encoding.name for choice in chosen.values()] == ["MXFP4", "Q8_0"]
