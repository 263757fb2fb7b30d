"""What a format gets from `BaseFormat`, shown on one that implements `read` and `write` alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

Hub: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"


def stages(hub: Hub, path: Path) -> dict[str, tuple[str, str]]:
    said = json.loads(hub("check", path, "--json").stdout)
    return {s["stage"]: (s["outcome"], s["detail"]) for s in said["stages"]}


@pytest.fixture
def model(hub: Hub, toy: Path, tiny_gguf: Path) -> Path:
    assert toy.is_dir()
    assert hub("convert", tiny_gguf, "m.toy").returncode == 0
    return tiny_gguf.with_name("m.toy")


def test_a_sound_file_passes_magic_header_and_index(hub: Hub, model: Path) -> None:
    found = stages(hub, model)
    assert [found[s][0] for s in ("magic", "header", "metadata", "index", "alignment", "checksum")] == [
        "PASS", "PASS", "SKIP", "PASS", "SKIP", "SKIP",
    ]  # fmt: skip
    assert found["index"][1] == "12 tensors, each inside the file"


def test_a_tensor_behind_the_end_of_the_file_is_named(hub: Hub, model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-1])
    assert stages(hub, model)["index"] == (
        "FAIL", "tensor 'model.layers.0.mlp.down_proj.weight': ends behind the end of the file",
    )  # fmt: skip
    assert hub("check", model).returncode == 1


def test_a_file_that_cannot_be_read_fails_where_it_says(hub: Hub, model: Path) -> None:
    model.write_bytes(model.read_bytes()[:100])
    outcome, detail = stages(hub, model)["header"]
    assert outcome == "FAIL"
    assert detail.startswith("byte 12: ")


def test_another_magic_fails_first(hub: Hub, model: Path) -> None:
    model.write_bytes(b"TOY2" + model.read_bytes()[4:])
    assert stages(hub, model)["magic"] == ("FAIL", f"the file starts with {b'TOY2'!r}")
