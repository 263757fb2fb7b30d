"""The stages of `hub check` from magic to checksum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from hub.interface import Finding
from hub_safetensors import SafeTensors


def _stages(path: Path) -> dict[str, Finding]:
    return {str(finding.stage): finding for finding in SafeTensors().validate(path)}


def _outcomes(path: Path) -> list[str]:
    return [finding.outcome for finding in _stages(path).values()]


def test_a_good_folder(folder: Path) -> None:
    assert list(_stages(folder)) == ["magic", "header", "metadata", "index", "alignment", "checksum"]
    assert _outcomes(folder) == ["PASS"] * 5 + ["SKIP"]


def test_a_bare_file_has_no_metadata_to_check(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": np.zeros(2, np.float32)}, path)
    assert _outcomes(path) == ["PASS", "PASS", "SKIP", "PASS", "PASS", "SKIP"]


def _file(header: bytes, payload: bytes = bytes(8)) -> bytes:
    return len(header).to_bytes(8, "little") + header + payload


ENTRY = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
MIXED = b'{"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}'
FAULTS = {
    "magic": (bytes([2, *bytes(7)]) + b"[]", 8),
    "header": (_file(b'{"a":1}'), 9),
    "metadata": (_file(ENTRY.ljust(56)), None),
    "index": (_file(ENTRY.ljust(56), bytes(7)), 64),
    "alignment": (_file(ENTRY), 8 + len(ENTRY)),
}


@pytest.mark.parametrize("stage", FAULTS)
def test_a_fault_fails_its_stage_and_skips_the_next(tmp_path: Path, stage: str) -> None:
    data, offset = FAULTS[stage]
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    if stage == "metadata":
        (tmp_path / "config.json").write_text("{")
        path = tmp_path
    stages = _stages(path)
    names = list(stages)
    assert stages[stage].outcome == "FAIL"
    assert offset is None or stages[stage].offset == offset
    assert all(stages[name].outcome in {"PASS", "SKIP"} for name in names[: names.index(stage)])
    assert all(stages[name].outcome == "SKIP" for name in names[names.index(stage) + 1 :])


def test_a_value_at_an_odd_byte_fails_alignment(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(_file(MIXED.ljust(-(-len(MIXED) // 8) * 8), bytes(9)))
    finding = _stages(path)["alignment"]
    assert (finding.outcome, finding.tensor) == ("FAIL", "a")


def test_a_missing_shard_fails_and_is_named(make_folder: Callable[..., Path], llama: Callable[..., Any]) -> None:
    names = list(llama())
    path = make_folder(shards=[names[:3], names[3:]])
    (path / "model-00002-of-00002.safetensors").unlink()
    finding = _stages(path)["magic"]
    assert finding.outcome == "FAIL"
    assert "model-00002-of-00002.safetensors" in finding.detail
