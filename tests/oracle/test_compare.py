"""The measuring itself: what differs is seen."""

import json
from pathlib import Path

import numpy as np

from tests.oracle.compare import folder_differences, key_differences, tensor_differences

BYTES = np.arange(8, dtype=np.uint8)


def test_differences_between_tensors_are_seen() -> None:
    plain = {"a": ("F32", (2,), BYTES), "b": ("F32", (2,), BYTES)}
    assert list(tensor_differences(plain, plain)) == []
    assert list(tensor_differences(plain, dict(reversed(plain.items())))) == ["the order of the tensors"]
    assert list(tensor_differences({"a": plain["a"]}, plain)) == ["missing b"]
    assert list(tensor_differences(plain, {"a": plain["a"]})) == ["extra b"]
    assert list(tensor_differences({"a": ("F16", (4,), BYTES)}, {"a": plain["a"]})) == ["a is F16 (4,), not F32 (2,)"]
    assert list(tensor_differences({"a": ("F32", (2,), BYTES[::-1])}, {"a": plain["a"]})) == [
        "a differs in 8 of 8 bytes"
    ]


def test_differences_between_keys_are_seen() -> None:
    plain = {"x": ("UINT32", 1), "y": ("ARRAY/STRING", ["a", "b"])}
    assert list(key_differences(plain, plain)) == []
    assert list(key_differences({"x": ("INT32", 1)}, {"x": ("UINT32", 1)})) == ["x is INT32 1, not UINT32 1"]
    assert list(key_differences({}, {"x": ("UINT32", 1)})) == ["missing x = UINT32 1"]
    assert list(key_differences({"x": ("UINT32", 1)}, {})) == ["extra x = UINT32 1"]
    other = {**plain, "y": ("ARRAY/STRING", ["a"])}
    assert list(key_differences(other, plain)) == ["y[1] is [], not ['b'] (lengths 1, 2)"]


def _folder(path: Path, data: bytes, config: str = "{}") -> Path:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    path.mkdir()
    (path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data)
    (path / "config.json").write_text(config)
    return path


def test_differences_between_folders_are_seen(tmp_path: Path) -> None:
    one = _folder(tmp_path / "one", bytes(8))
    assert list(folder_differences(one, _folder(tmp_path / "same", bytes(8)))) == []
    assert list(folder_differences(one, _folder(tmp_path / "bit", bytes(7) + b"\1"))) == ["w differs"]
    assert list(folder_differences(one, _folder(tmp_path / "config", bytes(8), "{ }"))) == ["file config.json differs"]
    (tmp_path / "same" / "config.json").unlink()
    assert list(folder_differences(one, tmp_path / "same")) == ["file config.json is missing"]
