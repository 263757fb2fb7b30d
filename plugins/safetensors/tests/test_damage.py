"""Records that other formats carried, and documents inside single files: checked before they are believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from hub.errors import DamagedFile
from hub.interface import Options
from hub.ir import Lazy
from hub_safetensors import SafeTensors
from hub_safetensors._companions import packed, unpacked

FORMAT = SafeTensors()

RECORDS: dict[str, Any] = {
    "a list": [],
    "no files": {},
    "files of numbers": {"files": [1]},
    "a path": {"files": [{"name": "../x"}]},
    "metadata of numbers": {"files": [{"name": "x", "metadata": {"a": 1}}]},
    "header a number": {"files": [{"name": "x", "header": 3}]},
    "header no JSON": {"files": [{"name": "x", "header": "{"}]},
    "renamed to numbers": {"files": [], "renamed": {"a": 1}},
    "negative stack": {"files": [], "stacked": {"a": {"shape": [-1], "parts": ["b"]}}},
    "buffer of no type": {"files": [{"name": "x"}], "buffers": {"b": {"dtype": "F33", "shape": [1], "zlib": ""}}},
    "buffer too short": {
        "files": [{"name": "x"}],
        "buffers": {"b": {"dtype": "F32", "shape": [9], "zlib": packed(b"1")}},
    },
    "buffer no zlib": {"files": [{"name": "x"}], "buffers": {"b": {"dtype": "F32", "shape": [1], "zlib": "AAAA"}}},
}


@pytest.mark.parametrize("kind", RECORDS)
def test_malformed_records_are_refused(folder: Path, kind: str) -> None:
    model = replace(FORMAT.read(folder), source=Lazy[Any].of({"safetensors": RECORDS[kind]}))
    with pytest.raises(DamagedFile):
        FORMAT.plan(model, Options(folder=True))


@pytest.mark.parametrize("files", [[{"name": "a", "tensors": ["ghost"]}], [{"name": "a", "tensors": []}]])
def test_records_of_other_tensors_are_not_followed(
    folder: Path, write: Callable[..., Path], tmp_path: Path, files: list[Any]
) -> None:
    model = replace(FORMAT.read(folder), source=Lazy[Any].of({"safetensors": {"files": files, "folder": True}}))
    assert (write(model, tmp_path / "x") / "model.safetensors").exists()


def test_documents_inside_a_file_stay_inside_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    metadata = {"hub.file.../../escape": "x", "hub.file./etc/passwd": "x", "hub.file.ok.txt": "y", "hub.packed.z": "!"}
    save_file({"a": np.zeros(2, np.float32)}, path, metadata=metadata)
    files = FORMAT.read(path).files
    assert set(files) == {"ok.txt", "z"}
    with pytest.raises(DamagedFile, match=r"hub\.packed\.z is not zlib in base64"):
        files["z"]


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(DamagedFile, match="unpacks to more than"):
        unpacked(packed(bytes(65 << 20)), "x", "a document")
