"""Damaged files: one line and exit code 2, or 1 from the commands whose answer is then no; never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Hub = Callable[..., Any]
Document = Callable[..., tuple[int, Any]]
Damage = Callable[[bytes], bytes]

JUDGES = ("check", "validate")
READERS = ("inspect", "tensors")


@pytest.fixture(params=["gguf", "apr", "safetensors"])
def healthy(request: pytest.FixtureRequest, models: dict[str, Path]) -> Path:
    """One file in each format."""
    path = models[request.param]
    return path / "model.safetensors" if path.is_dir() else path


def cut_at(share: float) -> Damage:
    return lambda data: data[: int(len(data) * share)]


def grown(at: int) -> Damage:
    return lambda data: data[:at] + b"\xff" * 7 + data[at + 7 :]


DAMAGE: dict[str, Damage] = {
    "cut within the header": lambda data: data[:12],
    "cut in the middle": cut_at(0.5),
    "cut within the last tensor": lambda data: data[:-200],
    "a count gone wild": grown(8),
    "nothing but the first bytes": lambda data: data[:8],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(
    hub: Hub, document: Document, healthy: Path, tmp_path: Path, damage: str
) -> None:
    bad = tmp_path / f"bad{healthy.suffix}"
    bad.write_bytes(DAMAGE[damage](healthy.read_bytes()))
    for command in READERS:
        for flags in ((), ("--json",)):
            ran = hub(command, bad, *flags)
            assert (ran.code, ran.out) == (2, ""), ran
            assert ran.err.startswith("hub: error: ")
            assert str(bad) in ran.err
            assert ran.err.count("\n") == 1
    for command in JUDGES:
        code, said = document(command, bad)
        assert code == 1
        assert "FAIL" in json.dumps(said)


def test_a_wrong_magic_fails_the_first_stage(document: Document, models: dict[str, Path], tmp_path: Path) -> None:
    for name in ("gguf", "apr"):
        bad = tmp_path / f"bad.{name}"
        bad.write_bytes(b"XXXX" + models[name].read_bytes()[4:])
        code, said = document("check", bad)
        assert code == 1
        assert said["format"] == name
        assert said["stages"][0]["outcome"] == "FAIL"
        assert document("validate", bad)[0] == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something else"])
def test_what_nobody_knows_cannot_be_judged(hub: Hub, tmp_path: Path, content: bytes) -> None:
    strange = tmp_path / "thing.xyz"
    strange.write_bytes(content)
    for command in JUDGES + READERS:
        ran = hub(command, strange)
        assert (ran.code, ran.out) == (2, "")
        assert "no installed plugin reads this" in ran.err


def test_an_extension_does_not_matter_where_the_content_is_clear(
    document: Document, models: dict[str, Path], tmp_path: Path
) -> None:
    disguised = tmp_path / "model.apr"
    disguised.write_bytes(models["gguf"].read_bytes())
    code, said = document("inspect", disguised)
    assert (code, said["plugin"]) == (0, "gguf")


def test_a_folder_without_a_model_is_an_error(hub: Hub, tmp_path: Path) -> None:
    for command in JUDGES + READERS:
        assert hub(command, tmp_path).code == 2


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_json_that_is_none_fails_the_check(
    hub: Hub, document: Document, folder: Path, tmp_path: Path, name: str
) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_text('{"a": ' + "[" * 10_000, encoding="utf-8")
    code, said = document("check", tmp_path)
    assert (code, said["outcome"]) == (1, "FAIL")
    assert hub("inspect", tmp_path).code == 2


def test_a_payload_bit_fails_the_checksum_where_there_is_one(
    document: Document, models: dict[str, Path], tmp_path: Path
) -> None:
    data = bytearray(models["apr"].read_bytes())
    data[-100] ^= 1
    bad = tmp_path / "bad.apr"
    bad.write_bytes(data)
    code, said = document("check", bad)
    assert code == 1
    assert [s["stage"] for s in said["stages"] if s["outcome"] == "FAIL"] == ["checksum"]
