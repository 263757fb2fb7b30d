"""A real model: all-MiniLM-L6-v2, where HUB_MINILM names its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from hub_safetensors import SafeTensors

FOLDER = os.environ.get("HUB_MINILM", "")
FORMAT = SafeTensors()


@pytest.mark.skipif(not FOLDER, reason="HUB_MINILM does not name a folder with all-MiniLM-L6-v2")
def test_all_minilm_comes_back_byte_for_byte(
    write: Callable[..., Path], contents: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    model = FORMAT.read(Path(FOLDER))
    assert model.naming == "hf"
    assert "embeddings.position_ids" not in model.tensors
    expected = load_file(Path(FOLDER) / "model.safetensors")
    name = "encoder.layer.5.attention.self.key.weight"
    assert model.tensors[name].read() == expected[name].tobytes()
    back = write(model, tmp_path / "back")
    assert contents(back) == contents(Path(FOLDER))
    one = write(model, tmp_path / "one.safetensors")
    assert contents(write(FORMAT.read(one), tmp_path / "again")) == contents(Path(FOLDER))
