"""Whole conversions, verified: into a folder, shards, a single file, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import UsageError
from hub.interface import Options
from hub.pipeline import Request, convert

Contents = Callable[[Path], dict[str, bytes]]


@pytest.mark.parametrize("name", ["out", "out.safetensors"])
def test_verified_and_back(folder: Path, contents: Contents, tmp_path: Path, name: str) -> None:
    (folder / "picture.png").unlink()
    report = convert(Request(folder, tmp_path / name))
    assert report.verified
    assert {line.outcome for line in report.tensors} == {"same bytes"}
    convert(Request(tmp_path / name, tmp_path / "back"))
    assert contents(tmp_path / "back") == contents(folder)


def test_the_config_follows_reencoded_weights(folder: Path, tmp_path: Path) -> None:
    report = convert(Request(folder, tmp_path / "out", encode=["bf16"]))
    assert report.verified
    assert any("config.json says bfloat16 now" in note for note in report.notes)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["torch_dtype"] == "bfloat16"


def test_shards(folder: Path, tmp_path: Path) -> None:
    report = convert(Request(folder, tmp_path / "out", options=Options(shard_size=3000)))
    assert report.verified
    assert len(list((tmp_path / "out").glob("model-*.safetensors"))) > 2


def test_a_flag_without_effect_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--portable has no effect"):
        convert(Request(folder, tmp_path / "out", options=Options(portable=True)))
    assert not (tmp_path / "out").exists()
