"""What counts as a model, and what is refused with which reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from hub.errors import DamagedFile, HubError, UnsupportedFile
from hub_safetensors import SafeTensors

Make = Callable[..., Path]
FORMAT = SafeTensors()
SHARDS = "model-{:05}-of-00002.safetensors"


@pytest.fixture
def sharded(make_folder: Make, llama: Callable[..., Any]) -> Path:
    names = list(llama())
    return make_folder(shards=[names[:9], names[9:]])


def _sniff(path: Path) -> bool:
    head = path.read_bytes()[:4096] if path.is_file() else b""
    return FORMAT.sniff(path, head)


def test_a_folder_is_read_with_its_documents(folder: Path, llama: Callable[..., Any], config: dict[str, Any]) -> None:
    model = FORMAT.read(folder)
    assert dict(model.config) == config
    assert model.naming == "hf"
    assert model.ties == {}
    assert {n: t.read() for n, t in model.tensors.items()} == {n: a.tobytes() for n, a in llama().items()}
    assert model.metadata["license"] == "apache-2.0"
    assert model.metadata["language"] == ["en", "no"]
    assert model.metadata["tags"] == ["tiny", "test"]
    assert set(model.files) == {
        "1_Pooling/config.json", "README.md", "chat_template.jinja", "config.json", "generation_config.json",
    }  # fmt: skip
    assert model.files["chat_template.jinja"] == b"{{ x }}"
    assert any("picture.png" in note for note in model.notes)


def test_shards_are_one_model(sharded: Path, llama: Callable[..., Any]) -> None:
    for path in (sharded, sharded / "model.safetensors.index.json", sharded / SHARDS.format(2)):
        assert _sniff(path)
        model = FORMAT.read(path)
        assert {n: t.read() for n, t in model.tensors.items()} == {n: a.tobytes() for n, a in llama().items()}
        assert model.metadata["format"] == "SafeTensors, 2 shards"


def test_a_complete_set_of_shards_needs_no_index(sharded: Path) -> None:
    (sharded / "model.safetensors.index.json").unlink()
    assert len(FORMAT.read(sharded).tensors) == 21


def test_a_file_uses_the_folder_only_when_it_is_its_model(folder: Path) -> None:
    other = folder / "other.safetensors"
    save_file({"x": np.zeros(3, np.float32)}, other)
    assert FORMAT.read(folder / "model.safetensors").config["hidden_size"] == 16
    alone = FORMAT.read(other)
    assert list(alone.tensors) == ["x"]
    assert (len(alone.config), len(alone.files), alone.naming) == (0, 0, "native")


def test_nothing_large_is_read_at_open(make_folder: Make, config: dict[str, Any]) -> None:
    big = {
        "model.embed_tokens.weight": np.zeros((40, 16), np.float32),
        "model.norm.weight": np.zeros(1 << 20, np.float32),
    }
    path = make_folder(big, config)
    with (path / "model.safetensors").open("r+b") as file:
        file.seek(-8, 2)
        file.write(b"\x07" * 8)
    model = FORMAT.read(path)
    with (path / "model.safetensors").open("r+b") as file:
        file.seek(-8, 2)
        file.write(b"\x09" * 8)
    assert model.tensors["model.norm.weight"].read()[-8:] == b"\x09" * 8


def test_weights_that_are_not_the_models_stay_behind(folder: Path) -> None:
    save_file({"x": np.zeros(3, np.float32)}, folder / "other.safetensors")
    (folder / "2_Dense").mkdir()
    save_file({"x": np.zeros(3, np.float32)}, folder / "2_Dense" / "model.safetensors")
    model = FORMAT.read(folder)
    assert not any(name.endswith(".safetensors") for name in model.files)
    assert any("2_Dense/model.safetensors, other.safetensors, picture.png" in note for note in model.notes)


def _drop_a_shard(path: Path) -> None:
    (path / SHARDS.format(2)).unlink()


def _edit_index(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        index = path / "model.safetensors.index.json"
        value = json.loads(index.read_text())
        change(value["weight_map"])
        index.write_text(json.dumps(value))

    return edit


def _write(name: str, text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        (path / name).write_text(text)

    return write


def _same_tensor_twice(path: Path) -> None:
    (path / "model.safetensors.index.json").unlink()
    shutil.copy(path / SHARDS.format(1), path / SHARDS.format(2))


def _one_shard_alone(path: Path) -> None:
    (path / "model.safetensors.index.json").unlink()
    _drop_a_shard(path)


BROKEN = {
    "one shard without an index": (_one_shard_alone, "1 of 2 shards are missing"),
    "missing shard": (_drop_a_shard, "1 of 2 shards are missing: model-00002-of-00002.safetensors"),
    "index names what is nowhere": (
        _edit_index(lambda m: m.update(ghost=SHARDS.format(1))),
        "'ghost': the index has it in model-00001-of-00002.safetensors; it is nowhere",
    ),
    "index names another shard": (
        _edit_index(lambda m: m.update({"model.norm.weight": SHARDS.format(1)})),
        "it is in model-00002-of-00002.safetensors",
    ),
    "index leaves one out": (_edit_index(lambda m: m.pop("model.norm.weight")), "the index does not name it"),
    "index names a file outside": (_edit_index(lambda m: m.update(x="../x.safetensors")), "a file beside the index"),
    "index is no JSON": (_write("model.safetensors.index.json", '{"weight_map": '), "not JSON"),
    "index has no map": (_write("model.safetensors.index.json", "{}"), "a weight_map of tensor names"),
    "index maps to numbers": (_write("model.safetensors.index.json", '{"weight_map": {"a": 1}}'), "a weight_map"),
    "two shards, one tensor": (_same_tensor_twice, "holds this tensor too"),
    "config is no JSON": (_write("config.json", "{"), "not JSON"),
    "config is a list": (_write("config.json", "[]"), "a JSON object was expected"),
    "config says two things": (_write("config.json", '{"hidden_size": 8, "hidden_size": 9}'), "'hidden_size' twice"),
    "config is deep": (_write("config.json", '{"a":' * 10_000), "nests too deep"),
    "config has a long number": (_write("config.json", '{"a":' + "9" * 9_999 + "}"), "beyond all sizes"),
    "hub.json of tomorrow": (_write("hub.json", '{"schema": "hub/99"}'), "another release"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_contradictions_are_named(sharded: Path, kind: str) -> None:
    damage, expected = BROKEN[kind]
    damage(sharded)
    with pytest.raises(DamagedFile) as caught:
        FORMAT.read(sharded)
    assert expected in str(caught.value)
    assert str(sharded) in str(caught.value)


def _folder(tmp_path: Path, *names: str) -> Path:
    path = tmp_path / "refused"
    path.mkdir()
    for name in names:
        (path / name).write_bytes(b"{}" if name.endswith(".json") else b"")
    return path


REFUSED = {
    "pickle": (("config.json", "pytorch_model.bin"), "pickle only (pytorch_model.bin)"),
    "other frameworks": (("config.json", "tf_model.h5"), "TensorFlow"),
    "adapter": (("adapter_config.json", "adapter_model.safetensors"), "an adapter, not a whole model"),
    "several": (("a.safetensors", "b.safetensors"), "2 weights files and no model.safetensors.index.json"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_folders_of_other_kinds_are_refused(tmp_path: Path, kind: str) -> None:
    names, reason = REFUSED[kind]
    path = _folder(tmp_path, *names)
    assert _sniff(path)
    with pytest.raises(UnsupportedFile) as caught:
        FORMAT.read(path)
    assert reason in str(caught.value)


FOREIGN: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "gptq": ({"quantization_config": {"quant_method": "gptq"}}, [], "gptq"),
    "mlx": ({"quantization": {"bits": 4, "group_size": 64}}, [], "MLX"),
    "gptq by name": ({}, ["model.layers.0.self_attn.q_proj.qweight"], "GPTQ"),
    "mlx by name": ({}, ["model.embed_tokens.scales"], "MLX"),
    "bitsandbytes by name": ({}, ["model.norm.weight.absmax"], "bitsandbytes"),
    "adapter by name": ({}, ["base.q_proj.lora_A.weight"], "adapter"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_quantization_is_refused(
    make_folder: Make, llama: Callable[..., Any], config: dict[str, Any], kind: str
) -> None:
    changes, names, scheme = FOREIGN[kind]
    extra = {name: np.zeros(2, np.float32) for name in names}
    path = make_folder({**llama(), **extra}, {**config, **changes})
    with pytest.raises(UnsupportedFile, match=scheme):
        FORMAT.read(path)


def test_a_strangers_hub_json_is_none_of_ours(folder: Path) -> None:
    (folder / "hub.json").write_text('{"naming": "native"}')
    assert FORMAT.read(folder).naming == "hf"


def test_what_is_no_safetensors_is_not_claimed(tmp_path: Path) -> None:
    for name, data in {
        "a.txt": b"hello",
        "b.json": b'{"a": 1}',
        "c": b"",
        "d.gguf": b"GGUF\3\0\0\0{}",
        "e": b"\1" * 9,
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert not _sniff(path)
    assert not _sniff(tmp_path)


def test_errors_are_hub_errors_for_random_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    path = tmp_path / "x.safetensors"
    for _ in range(200):
        data = bytearray(b'\x40\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.ljust(80, b" "))
        for at in random.integers(0, 72, 3):
            data[at] = random.integers(0, 256)
        path.write_bytes(data)
        with suppress(HubError):
            FORMAT.read(path)
