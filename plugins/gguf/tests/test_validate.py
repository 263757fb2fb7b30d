from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from hub.interface import Finding, Stage
from hub_gguf import GgufFormat

ORDER = [Stage.MAGIC, Stage.HEADER, Stage.METADATA, Stage.INDEX, Stage.ALIGNMENT, Stage.CHECKSUM]


def findings(path: Path) -> dict[str, Finding]:
    found = list(GgufFormat().validate(path))
    assert [f.stage for f in found] == ORDER
    return {f.stage: f for f in found}


def changed(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    return path


def test_a_whole_file_passes_and_has_no_checksum(write_gguf: Any) -> None:
    found = findings(write_gguf())
    assert [found[s].outcome for s in ORDER] == ["PASS"] * 5 + ["SKIP"]
    assert "32" in found[Stage.ALIGNMENT].detail


def test_the_alignment_is_the_files_own(write_gguf: Any) -> None:
    found = findings(write_gguf(fill=lambda w: w.add_custom_alignment(128)))
    assert found[Stage.ALIGNMENT] == Finding(Stage.ALIGNMENT, "PASS", "every tensor at a multiple of 128")


def entry_offset(path: Path, name: bytes) -> int:
    """Where the index has the offset of the two-dimensional tensor `name`."""
    return path.read_bytes().index(name) + len(name) + 4 + 16 + 4


def overwrite(path: Path, at: int, data: bytes) -> Path:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    return path


@pytest.mark.parametrize(
    ("stage", "at", "data"),
    [
        (Stage.MAGIC, 0, b"GGML"),
        (Stage.HEADER, 4, struct.pack("<I", 9)),
        (Stage.HEADER, 8, struct.pack("<Q", 1 << 50)),
        (Stage.METADATA, 24, struct.pack("<Q", 1 << 50)),
    ],
)
def test_the_first_stage_that_fails_is_named_and_the_rest_skipped(
    write_gguf: Any, stage: Stage, at: int, data: bytes
) -> None:
    found = findings(overwrite(write_gguf(), at, data))
    assert found[stage].outcome == "FAIL"
    assert found[stage].offset is not None
    passed, skipped = ORDER[: ORDER.index(stage)], ORDER[ORDER.index(stage) + 1 :]
    assert {found[s].outcome for s in passed} <= {"PASS"}
    assert {found[s].outcome for s in skipped} == {"SKIP"}


def test_a_tensor_out_of_range_fails_the_index(write_gguf: Any) -> None:
    path: Path = write_gguf()
    found = findings(overwrite(path, entry_offset(path, b"blk.0.attn_q.weight"), struct.pack("<Q", 1 << 20)))
    assert (found[Stage.INDEX].outcome, found[Stage.INDEX].tensor) == ("FAIL", "blk.0.attn_q.weight")


def test_a_misaligned_tensor_fails_the_alignment_only(write_gguf: Any, arrays: Any) -> None:
    small = {name: array[:1] for name, array in arrays.items()}
    path: Path = write_gguf(tensors=small, fill=lambda w: w.add_custom_alignment(64))
    found = findings(overwrite(path, entry_offset(path, b"blk.0.attn_q.weight"), struct.pack("<Q", 72)))
    assert [found[s].outcome for s in ORDER] == ["PASS"] * 4 + ["FAIL", "SKIP"]
    assert "a multiple of 64" in found[Stage.ALIGNMENT].detail


def test_tokens_that_are_not_utf8_fail_the_metadata(write_gguf: Any) -> None:
    path: Path = write_gguf(fill=lambda w: w.add_array("tokens", ["good", "evil"]))
    found = findings(changed(path, b"evil", b"\xff\xfe\xfd\xfc"))
    assert "string 1 of an array is not UTF-8" in found[Stage.METADATA].detail


def test_a_file_without_an_architecture_fails_the_metadata(write_gguf: Any) -> None:
    found = findings(changed(write_gguf(), b"general.architecture", b"general.architectura"))
    assert found[Stage.METADATA].detail == "general.architecture is missing"


def test_an_architecture_that_is_no_string_fails_the_metadata(write_gguf: Any) -> None:
    def fill(writer: Any) -> None:
        writer.kv_data[0].pop("general.architecture")
        writer.add_uint32("general.architecture", 7)

    found = findings(write_gguf(fill=fill))
    assert found[Stage.METADATA].detail == "general.architecture is UINT32, STRING was expected"


def test_a_split_file_is_checked_as_a_whole(write_gguf: Any) -> None:
    path: Path = write_gguf(split_max_tensors=1)
    parts = sorted(path.parent.glob("model-*.gguf"))
    assert findings(parts[1])[Stage.INDEX].detail.startswith("3 tensors in 3 files")
    parts[2].unlink()
    found = findings(parts[0])[Stage.INDEX]
    assert (found.outcome, found.detail) == ("FAIL", "model-00003-of-00003.gguf: part 3 of 3 is missing")
