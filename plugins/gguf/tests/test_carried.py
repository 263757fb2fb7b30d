"""What other formats bring is carried in a GGUF and comes back byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from hub.errors import DamagedFile, UnsupportedFile
from hub.interface import Options
from hub.ir import BF16, ENCODINGS, F16, F32, Config, Encoding, Lazy, Model, Tensor
from hub_gguf import GgufFormat, _carried
from hub_gguf._carried import Carried, packed, packed_json, unpacked, unpacked_json
from hub_gguf.container import NumberArray, Value, ValueType, layout, read_header

HIDDEN, FFN, VOCABULARY = 64, 96, 40
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FFN,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": VOCABULARY,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True,
    "something_else": {"kept": [1, 2, 3]},
}  # fmt: skip
GEMMA = LLAMA | {"architectures": ["GemmaForCausalLM"], "model_type": "gemma", "head_dim": 32}


def weights(encoding: Encoding) -> dict[str, Tensor]:
    rng = np.random.default_rng(11)
    layer = "model.layers.0."
    shapes = {
        "model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,),
        layer + "input_layernorm.weight": (HIDDEN,), layer + "post_attention_layernorm.weight": (HIDDEN,),
        layer + "self_attn.q_proj.weight": (HIDDEN, HIDDEN), layer + "self_attn.k_proj.weight": (32, HIDDEN),
        layer + "self_attn.v_proj.weight": (32, HIDDEN), layer + "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
        layer + "mlp.gate_proj.weight": (FFN, HIDDEN), layer + "mlp.up_proj.weight": (FFN, HIDDEN),
        layer + "mlp.down_proj.weight": (HIDDEN, FFN),
    }  # fmt: skip
    return {name: tensor(name, rng.normal(size=shape), encoding) for name, shape in shapes.items()}


def tensor(name: str, values: Any, encoding: Encoding) -> Tensor:
    wide = np.asarray(values, np.float32)
    if encoding is F16:
        data = wide.astype(np.float16).tobytes()
    else:
        data = wide.tobytes() if encoding is F32 else (wide.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return Tensor.from_bytes(name, wide.shape, encoding, data)


@pytest.fixture
def folder() -> Callable[..., Model]:
    """A model as a folder of files gives it."""

    def make(config: dict[str, Any] | None = None, encoding: Encoding = BF16, **files: bytes) -> Model:
        config = LLAMA if config is None else config
        companions = {
            "config.json": json.dumps(config, indent=3).encode(),
            "README.md": "# Ünïcode\n".encode(),
            "sub/binary.bin": bytes(range(256)) * 50,
            **files,
        }
        return Model(
            weights(encoding), Config(config), files=companions, ties={"lm_head.weight": "model.embed_tokens.weight"},
            source=Lazy.of({"safetensors": {"order": ["b", "a"], "text": "x" * 5000}}),
        )  # fmt: skip

    return make


def assert_same(model: Model, back: Model) -> None:
    assert dict(back.config) == dict(model.config)
    assert dict(back.files) == dict(model.files)
    assert back.ties == model.ties
    assert {n: t.encoding.name for n, t in back.tensors.items()} == {
        n: t.encoding.name for n, t in model.tensors.items()
    }
    for name, one in model.tensors.items():
        assert back.tensors[name].read() == one.read(), name


@pytest.mark.parametrize("encoding", [F32, F16, BF16])
@pytest.mark.parametrize("config", [LLAMA, GEMMA], ids=["llama", "gemma"])
def test_a_folder_comes_back_byte_for_byte(
    folder: Any, write_model: Any, tmp_path: Path, encoding: Encoding, config: dict[str, Any]
) -> None:
    model, path = folder(config, encoding), tmp_path / "model.gguf"
    write_model(model, path)
    back = GgufFormat().read(path)
    assert_same(model, back)
    assert back.source.get()["safetensors"] == model.source.get()["safetensors"]


def test_what_is_carried_survives_a_stay_in_another_format(
    folder: Any, write_model: Any, pass_on: Any, tmp_path: Path
) -> None:
    model = folder(GEMMA, F32)
    write_model(model, tmp_path / "a.gguf")
    write_model(pass_on(GgufFormat().read(tmp_path / "a.gguf")), tmp_path / "b.gguf")
    assert (tmp_path / "b.gguf").read_bytes() == (tmp_path / "a.gguf").read_bytes()


def test_vectors_are_f32_for_llama_cpp_and_matrices_stay(folder: Any, write_model: Any, tmp_path: Path) -> None:
    plan = write_model(folder(LLAMA, BF16), tmp_path / "model.gguf")
    for found in gguf.GGUFReader(tmp_path / "model.gguf").tensors:
        wanted = "F32" if len(found.shape) == 1 else "BF16"
        assert found.tensor_type.name == wanted, found.name
    reasons = {p.tensor.name: p.reason for p in plan.tensors}
    assert "F32" in reasons["output_norm.weight"]
    assert reasons["blk.0.ffn_up.weight"] == ""


def test_gemma_norms_have_one_added_and_come_back_where_that_does_not_invert(
    folder: Any, write_model: Any, tmp_path: Path
) -> None:
    model = folder(GEMMA, F32)
    tiny = tensor("model.norm.weight", np.linspace(1e-9, 1e-7, HIDDEN), F32)
    model = replace(model, tensors={**model.tensors, tiny.name: tiny})
    write_model(model, tmp_path / "model.gguf")
    found = {t.name: t.data for t in gguf.GGUFReader(tmp_path / "model.gguf").tensors}["output_norm.weight"]
    assert np.array_equal(found, np.frombuffer(tiny.read(), np.float32) + np.float32(1))
    assert GgufFormat().read(tmp_path / "model.gguf").tensors["model.norm.weight"].read() == tiny.read()


def test_a_file_changed_by_others_says_that_it_was(folder: Any, write_model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_model(folder(), path)
    data = path.read_bytes()
    path.write_bytes(
        data.replace(b"general.type\x08\0\0\0\5\0\0\0\0\0\0\0model", b"general.type\x08\0\0\0\5\0\0\0\0\0\0\0other")
    )
    back = GgufFormat().read(path)
    assert dict(back.files) == {}
    assert any("keys were changed" in note for note in back.notes)
    assert back.config["hidden_size"] == HIDDEN


def test_a_tensor_changed_by_others_keeps_its_new_values(folder: Any, write_model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_model(folder(LLAMA, BF16), path)
    info = next(i for i in read_header(path).tensors if i.name == "output_norm.weight")
    with path.open("r+b") as file:
        file.seek(info.offset)
        file.write(np.float32(0.1).tobytes())
    norm = GgufFormat().read(path).tensors["model.norm.weight"]
    with pytest.raises(DamagedFile, match=r"was written as BF16 and now holds values that need F32.*hub.tensors"):
        norm.read()


def test_changed_norms_that_were_carried_are_not_put_back(folder: Any, write_model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    model = folder(GEMMA, F32)
    tiny = tensor("model.norm.weight", np.linspace(1e-9, 1e-7, HIDDEN), F32)
    write_model(replace(model, tensors={**model.tensors, tiny.name: tiny}), path)
    info = next(i for i in read_header(path).tensors if i.name == "output_norm.weight")
    with path.open("r+b") as file:
        file.seek(info.offset)
        file.write(np.full(HIDDEN, 3, np.float32).tobytes())
    norm = np.frombuffer(GgufFormat().read(path).tensors["model.norm.weight"].read(), np.float32)
    assert np.array_equal(norm, np.full(HIDDEN, 2, np.float32))


def test_a_stated_config_that_no_key_holds_is_carried(folder: Any, write_model: Any, tmp_path: Path) -> None:
    model = folder()
    model = replace(model, config=model.config.merged({"new_fact": "said by hand"}))
    write_model(model, tmp_path / "model.gguf")
    assert GgufFormat().read(tmp_path / "model.gguf").config["new_fact"] == "said by hand"


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xfe", b"x" * 5000, bytes(range(256)) * 100])
def test_packing_comes_back(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "keys.gguf"
    path.write_bytes(layout({"hub.file.a/b": packed(data)}, []).header)
    files = Carried(read_header(path).keys)
    assert dict(files) == {"a/b": data}


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, "é" * 3000]}
    path = tmp_path / "keys.gguf"
    path.write_bytes(layout({"hub.source.x": packed_json(value)}, []).header)
    key = "hub.source.x"
    assert unpacked_json(key, read_header(path).keys[key]) == value


def test_a_small_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_carried, "LARGEST", 1 << 16)
    path = tmp_path / "keys.gguf"
    path.write_bytes(layout({"hub.file.a": packed(bytes((1 << 16) + 1))}, []).header)
    with pytest.raises(DamagedFile, match="larger than 65536 bytes"):
        Carried(read_header(path).keys)["a"]


def test_a_file_too_large_to_carry_is_dropped_aloud(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_carried, "LARGEST", 1 << 16)
    plan = GgufFormat().plan(folder(**{"big.txt": b"x" * 70000}), Options())
    assert ("file big.txt", "dropped") in {(fact.key, fact.fate) for fact in plan.facts}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Value(ValueType.UINT32, 5), "neither a string nor"),
        (Value.array(ValueType.UINT8, [1, 2, 3]), "cannot be decompressed"),
        (Value.array(ValueType.UINT8, [0x78, 0x9C]), "cut short"),
    ],
)
def test_damaged_packing_is_named(tmp_path: Path, value: Value, expected: str) -> None:
    path = tmp_path / "keys.gguf"
    path.write_bytes(layout({"hub.file.a": value}, []).header)
    read = read_header(path).keys["hub.file.a"]
    assert value.item is None or isinstance(read.data, NumberArray)
    with pytest.raises(DamagedFile, match=rf"'hub.file.a'.*{expected}"):
        unpacked("hub.file.a", read)


def test_json_that_nests_10000_deep_is_an_error() -> None:
    with pytest.raises(DamagedFile, match="'k' is not JSON"):
        unpacked_json("k", Value(ValueType.STRING, "[" * 10000))


def test_integers_without_a_type_in_gguf_come_back(write_model: Any, tmp_path: Path) -> None:
    """A model of no known architecture may hold anything."""
    made = {
        name: Tensor.from_bytes(name, (3, 4), ENCODINGS[name], bytes([1, 0] * (6 * ENCODINGS[name].nbytes)))
        for name in ("BOOL", "U8", "U16", "U32", "I64", "F64")
    }
    model = Model(made, naming="native", metadata={"architecture": "toy"})
    plan = GgufFormat().plan(model, Options())
    held = {p.tensor.name: p.tensor.encoding.name for p in plan.tensors}
    assert held == {"BOOL": "I8", "U8": "I16", "U16": "I32", "U32": "I64", "I64": "I64", "F64": "F64"}
    write_model(model, tmp_path / "model.gguf")
    assert_same(model, GgufFormat().read(tmp_path / "model.gguf"))


def test_ties_that_no_table_knows_come_back(write_model: Any, tmp_path: Path) -> None:
    weight = tensor("weight", [[1.0, 2.0]], F32)
    model = Model({"weight": weight}, naming="native", metadata={"architecture": "toy"}, ties={"other": "weight"})
    write_model(model, tmp_path / "model.gguf")
    assert GgufFormat().read(tmp_path / "model.gguf").ties == {"other": "weight"}


@pytest.mark.parametrize("ties", [["weight"], {"other": "nowhere"}, {"other": 3}])
def test_carried_ties_to_nothing_are_named(tmp_path: Path, ties: Any) -> None:
    keys = {"general.architecture": Value(ValueType.STRING, "toy")}
    carried = {"hub.ties": packed_json(ties), "hub.crc32": _carried.guard(keys)}
    path = tmp_path / "model.gguf"
    path.write_bytes(layout(keys | carried, []).header)
    with pytest.raises(DamagedFile, match=r"'hub.ties' names no tensors"):
        GgufFormat().read(path)


def test_a_tensor_of_five_dimensions_is_refused_before_it_is_written() -> None:
    video = Tensor.from_bytes("video", (1, 1, 1, 1, 2), F32, bytes(8))
    with pytest.raises(UnsupportedFile, match="at most 4 dimensions") as raised:
        GgufFormat().plan(Model({"video": video}, naming="native", metadata={"architecture": "toy"}), Options())
    assert raised.value.tensor == "video"


def test_what_a_card_says_and_no_key_holds_is_dropped_aloud() -> None:
    card = {"architecture": "toy", "name": "Toy", "mood": "good", "license": ["mit", "bsd"]}
    model = Model({"w": tensor("w", [[1.0]], F32)}, naming="native", metadata=card)
    facts = {fact.key: (fact.fate, fact.detail) for fact in GgufFormat().plan(model, Options()).facts}
    assert facts["mood"] == ("dropped", "GGUF has no key for it")
    assert facts["license"] == ("mapped", "as 'mit,bsd'")
    assert "name" not in facts
    kept = replace(model, files={"README.md": b"---\nmood: good\n---\n"})
    assert "mood" not in {fact.key for fact in GgufFormat().plan(kept, Options()).facts}
