"""What is written: files that come back byte for byte, and files made from a model of another format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from hub import codecs
from hub.errors import TargetExists, UnmappedTensor, UsageError
from hub.interface import Options
from hub.ir import ENCODINGS, Config, Lazy, Model, Tensor
from hub_safetensors import SafeTensors

Make = Callable[..., Path]
Contents = Callable[[Path], dict[str, bytes]]
FORMAT = SafeTensors()


def _anew(model: Model, **changes: Any) -> Model:
    """The model as another format would give it: no files, no record of ours."""
    return replace(model, **{"files": {}, "source": Lazy[Any].of({}), **changes})


def _values(path: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in load_file(path).items()}


def test_a_folder_comes_back_byte_for_byte(folder: Path, write: Make, contents: Contents, tmp_path: Path) -> None:
    (folder / "picture.png").unlink()
    back = write(FORMAT.read(folder), tmp_path / "back")
    assert contents(back) == contents(folder)


def test_a_folder_comes_back_through_a_single_file(
    folder: Path, write: Make, contents: Contents, tmp_path: Path
) -> None:
    (folder / "picture.png").unlink()
    (folder / "LICENSE").write_bytes(b"\xff not text")
    (folder / "vocab.txt").write_text("word\n" * 9000)
    one = write(FORMAT.read(folder), tmp_path / "one.safetensors")
    with safe_open(one, "np") as opened:
        assert opened.metadata()["hub.file.chat_template.jinja"] == "{{ x }}"
        assert len(opened.metadata()["hub.packed.vocab.txt"]) < 1000
    assert one.stat().st_size % 8 == 0
    back = write(FORMAT.read(one), tmp_path / "back")
    assert contents(back) == contents(folder)


@pytest.mark.parametrize("order", ["as given", "by name"])
def test_shards_come_back(
    make_folder: Make, llama: Callable[..., Any], write: Make, contents: Contents, tmp_path: Path, order: str
) -> None:
    names = list(llama()) if order == "as given" else sorted(llama())
    path = make_folder(shards=[names[:3], names[3:4], names[4:]])
    assert contents(write(FORMAT.read(path), tmp_path / "back")) == contents(path)


def test_unusual_headers_come_back(tmp_path: Path, write: Make) -> None:
    header = b'{ "b" : {"shape":[2], "dtype":"F32", "data_offsets":[2,10]},'
    header += b'"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}} \n'
    path = tmp_path / "odd.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(range(10)))
    back = write(FORMAT.read(path), tmp_path / "back.safetensors")
    assert back.read_bytes() == path.read_bytes()


def test_unusual_indices_come_back(
    make_folder: Make, llama: Callable[..., Any], write: Make, contents: Contents, tmp_path: Path
) -> None:
    names = list(llama())
    path = make_folder(shards=[names[:3], names[3:]])
    index = path / "model.safetensors.index.json"
    value = json.loads(index.read_text())
    index.write_text(
        json.dumps({"weight_map": value["weight_map"], "metadata": {"total_size": 1, "total_parameters": 2}})
    )
    assert contents(write(FORMAT.read(path), tmp_path / "back")) == contents(path)


def test_what_an_encoding_changed_is_laid_out_anew(folder: Path, write: Make, tmp_path: Path) -> None:
    model = FORMAT.read(folder)
    half = {n: codecs.recode(t, ENCODINGS["F16"]) for n, t in model.tensors.items()}
    back = write(replace(model, tensors=half), tmp_path / "half")
    assert json.loads((back / "config.json").read_text())["torch_dtype"] == "float16"
    assert {a.dtype for a in load_file(back / "model.safetensors").values()} == {np.dtype(np.float16)}
    assert dict(FORMAT.read(back).config) == {**model.config, "torch_dtype": "float16"}
    assert not (back / "hub.json").exists()


def test_shards_are_packed_as_transformers_packs_them(folder: Path, write: Make, tmp_path: Path) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    model = FORMAT.read(folder)
    arrays = load_file(folder / "model.safetensors")
    ordered = {name: arrays[name] for name in model.tensors}
    for limit in (600, 2000, 2560, 100_000):
        back = write(model, tmp_path / f"shards{limit}", shard_size=limit)
        split = huggingface_hub.split_state_dict_into_shards_factory(
            ordered,
            get_storage_size=lambda a: a.nbytes,
            get_storage_id=lambda _: None,
            filename_pattern="model{suffix}.safetensors",
            max_shard_size=limit,
        )
        held = {p.name: set(load_file(p)) for p in back.glob("*.safetensors")}
        assert held == {name: set(names) for name, names in split.filename_to_tensors.items()}
        assert (back / "model.safetensors.index.json").exists() == split.is_sharded


def test_shards_fit_their_size_and_their_index(folder: Path, write: Make, tmp_path: Path) -> None:
    back = write(FORMAT.read(folder), tmp_path / "shards", shard_size=3000)
    index = json.loads((back / "model.safetensors.index.json").read_text())
    shards = sorted(back.glob("model-*.safetensors"))
    assert len(shards) > 2
    for path in shards:
        tensors = load_file(path)
        assert sum(a.nbytes for a in tensors.values()) <= 3000
        assert {index["weight_map"][name] for name in tensors} == {path.name}
    assert index["metadata"]["total_size"] == sum(a.nbytes for p in shards for a in load_file(p).values())
    with safe_open(shards[0], "np") as opened:
        assert opened.metadata() == {"format": "pt"}
    assert {n: t.read() for n, t in FORMAT.read(back).tensors.items()} == _values(folder / "model.safetensors")


def test_shards_need_a_folder(folder: Path) -> None:
    with pytest.raises(UsageError, match="--shard-size needs a folder"):
        FORMAT.plan(FORMAT.read(folder), Options(shard_size=1000))


@pytest.mark.parametrize("name", ["Q4_1", "Q8_0", "Q4_K", "Q6_K", "IQ4_NL"])
def test_blocks_become_the_f32_they_mean(name: str, write: Make, tmp_path: Path) -> None:
    encoding = ENCODINGS[name]
    random = np.random.default_rng(5)
    blocks = random.integers(0, 40, (4, 256 // encoding.block * encoding.nbytes), dtype=np.uint8)
    model = Model({"w": Tensor.from_bytes("w", (4, 256), encoding, blocks)}, naming="native")
    plan = FORMAT.plan(model, Options())
    assert plan.tensors[0].reason == f"SafeTensors has no {name}: decoded to F32"
    written = load_file(write(model, tmp_path / "x.safetensors"))["w"]
    expected = quants.dequantize(blocks, GGMLQuantizationType[name])
    assert written.tobytes() == expected.astype(np.float32).tobytes()


def test_blocks_cannot_be_asked_for(folder: Path) -> None:
    model = FORMAT.read(folder)
    name = "model.embed_tokens.weight"
    asked = codecs.recode(Tensor.from_bytes(name, (2, 32), ENCODINGS["F32"], bytes(256)), ENCODINGS["Q8_0"])
    with pytest.raises(UsageError, match="SafeTensors has no Q8_0; --encode takes f32"):
        FORMAT.plan(replace(model, tensors={name: asked}), Options(folder=True))


@pytest.mark.parametrize("name", ["F64", "F16", "BF16", "F8_E4M3", "I64", "U16", "BOOL", "C64"])
def test_plain_types_keep_their_bytes(name: str, write: Make, tmp_path: Path) -> None:
    data = np.random.default_rng(6).integers(0, 2, 12 * ENCODINGS[name].nbytes, dtype=np.uint8).tobytes()
    model = Model({"w": Tensor.from_bytes("w", (3, 4), ENCODINGS[name], data)}, naming="native")
    back = FORMAT.read(write(model, tmp_path / "x.safetensors"))
    assert (back.tensors["w"].encoding.name, back.tensors["w"].shape) == (name, (3, 4))
    assert back.tensors["w"].read() == data


def test_what_is_in_the_way_is_named(folder: Path, write: Make, contents: Contents, tmp_path: Path) -> None:
    model = FORMAT.read(folder)
    target = tmp_path / "full"
    target.mkdir()
    (target / "config.json").write_text("mine")
    (target / "notes.txt").write_text("mine")
    with pytest.raises(TargetExists, match=r"holds config\.json already; --force"):
        write(model, target)
    assert contents(target) == {"config.json": b"mine", "notes.txt": b"mine"}
    write(model, target, overwrite=True)
    assert (target / "notes.txt").read_text() == "mine"
    assert (target / "config.json").read_bytes() == (folder / "config.json").read_bytes()


@pytest.mark.parametrize("name", ["tokenizer.model", "model-00001-of-00002.safetensors", "hub.json"])
def test_what_would_be_read_along_is_refused_even_by_force(
    folder: Path, write: Make, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "stale"
    target.mkdir()
    (target / name).write_text("{}")
    with pytest.raises(TargetExists, match="would be read along"):
        write(FORMAT.read(folder), target, overwrite=True)


def test_own_names_go_into_a_single_file_only(write: Make, tmp_path: Path) -> None:
    tensor = Tensor.from_bytes("blk.0.x.weight", (2,), ENCODINGS["F32"], bytes(8))
    blocks = {"gguf": {"keys": ["k"] * 5000}, "apr": {"a": 1}}
    model = Model({tensor.name: tensor}, naming="native", source=Lazy[Any].of(blocks))
    with pytest.raises(UnmappedTensor, match=r"a single \.safetensors file"):
        FORMAT.plan(model, Options(folder=True))
    assert any("own names" in note for note in FORMAT.plan(model, Options()).notes)
    back = FORMAT.read(write(model, tmp_path / "x.safetensors"))
    assert back.naming == "native"
    assert back.source.get() == blocks
    assert back.files == {}


def test_what_no_document_holds_comes_back_from_hub_json(folder: Path, write: Make, tmp_path: Path) -> None:
    metadata = {
        "license": "mit",
        "author": "me",
        "generation": {"top_k": 20},
        "quantization": "Q4_1",
        "format": "GGUF v3",
    }
    source = {"gguf": {"kv": {"general.file_type": 3}, "tokens": ["x" * 40] * 500}}
    model = _anew(
        FORMAT.read(folder), metadata=metadata, source=Lazy[Any].of(source), notes=("assumed: a = 1", "other")
    )
    for target in (tmp_path / "folder", tmp_path / "one.safetensors"):
        back = FORMAT.read(write(model, target))
        assert back.metadata == {"license": "mit", "author": "me", "generation": {"top_k": 20}, "format": "SafeTensors"}
        assert back.source.get() == source
        assert dict(back.config) == dict(model.config)
        assert back.notes == ("assumed: a = 1",)
        assert dict(back.files) == {}
    made = {p.name for p in (tmp_path / "folder").iterdir()}
    assert made == {"config.json", "README.md", "hub.json", "model.safetensors"}
    assert b"license: mit" in (tmp_path / "folder" / "README.md").read_bytes()
    assert len((tmp_path / "folder" / "hub.json").read_bytes()) < 2000


def test_a_document_that_somebody_edits_is_believed(folder: Path, write: Make, tmp_path: Path) -> None:
    model = FORMAT.read(folder)
    values = {k: v for k, v in model.config.items() if k not in {"architectures", "torch_dtype"}}
    source = Lazy[Any].of({"gguf": {"keys": [1]}})
    path = write(_anew(model, config=Config(values), source=source), tmp_path / "made")
    config = json.loads((path / "config.json").read_text())
    assert (config["architectures"], config["torch_dtype"]) == (["LlamaForCausalLM"], "float32")
    assert dict(FORMAT.read(path).config) == values
    assert FORMAT.read(path).source.get() == source.get()
    (path / "config.json").write_text(json.dumps({**config, "rope_theta": 5.0}))
    edited = FORMAT.read(path)
    assert any("edited since" in note and "config.json" in note for note in edited.notes)
    assert edited.source.get() == {}
    assert dict(edited.config) == {**config, "rope_theta": 5.0}
    assert set(edited.files) == {"config.json"}


def test_an_assumption_is_in_the_config_and_recorded(folder: Path, write: Make, tmp_path: Path) -> None:
    model = FORMAT.read(folder)
    assumed = replace(model, config=model.config.merged({"rope_theta": 7.0}), notes=("assumed: rope_theta = 7.0",))
    back = FORMAT.read(write(assumed, tmp_path / "assumed"))
    assert back.config["rope_theta"] == 7.0
    assert "assumed: rope_theta = 7.0" in back.notes


def test_metadata_of_a_single_file_is_kept(tmp_path: Path, write: Make) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": np.zeros(2, np.float32)}, path, metadata={"made by": "somebody", "format": "np"})
    back = write(FORMAT.read(path), tmp_path / "y.safetensors")
    assert back.read_bytes() == path.read_bytes()
