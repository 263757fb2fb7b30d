"""The stages from magic to checksum."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub_apr import APR

STAGES = ["magic", "header", "metadata", "index", "alignment", "checksum"]


def outcomes(path: Path) -> dict[str, str]:
    told: dict[str, str] = {}
    for finding in APR().validate(path):
        assert finding.detail
        told[str(finding.stage)] = "FAIL" if "FAIL" in (told.get(finding.stage), finding.outcome) else finding.outcome
    return told


def test_every_file_gets_every_stage_in_order(fixture: dict[str, Any], apr: Path) -> None:
    assert list(outcomes(apr / fixture["file"])) == STAGES


@pytest.mark.parametrize(
    ("name", "stage", "outcome"),
    [
        ("v2_llama_tiny_f32.apr", None, "PASS"),
        ("v2_nofooter.apr", "checksum", "SKIP"),
        ("v2_bad_footer.apr", "checksum", "FAIL"),
        ("v2_unaligned.apr", "alignment", "FAIL"),
        ("v2_duplicate_names.apr", "index", "FAIL"),
        ("v2_size_mismatch.apr", "index", "FAIL"),
        ("v2_tensor_past_eof.apr", "index", "FAIL"),
        ("reject/bad_magic.apr", "magic", "FAIL"),
        ("reject/bad_header_crc.apr", "header", "FAIL"),
        ("reject/column_major.apr", "header", "FAIL"),
        ("reject/metadata_nan.apr", "metadata", "FAIL"),
        ("reject/metadata_past_eof.apr", "metadata", "FAIL"),
        ("reject/dtype_255.apr", "index", "FAIL"),
        ("reject/unsorted.apr", "index", "FAIL"),
        ("reject/v1_bad_crc.apr", "checksum", "FAIL"),
        ("legacy_apr1_json.apr", "checksum", "PASS"),
        ("v1_golden.apr", "checksum", "PASS"),
        ("sharded/shard-manifest.json", None, "PASS"),
    ],
)
def test_the_stage_that_a_fault_belongs_to(name: str, stage: str | None, outcome: str, apr: Path) -> None:
    told = outcomes(apr / name)
    if stage is None:
        assert set(told.values()) == {outcome}
        return
    assert told[stage] == outcome
    before = STAGES[: STAGES.index(stage)]
    assert outcome != "FAIL" or "FAIL" not in {told[s] for s in before}


def test_behind_a_failed_stage_nothing_passes(apr: Path) -> None:
    told = outcomes(apr / "reject/column_major.apr")
    assert [told[stage] for stage in STAGES] == ["PASS", "FAIL", "SKIP", "SKIP", "SKIP", "SKIP"]


def test_a_signature_is_checked(apr: Path, tmp_path: Path) -> None:
    data = bytearray((apr / "v1_signed.apr").read_bytes())
    checks = [f for f in APR().validate(apr / "v1_signed.apr") if f.stage == "checksum"]
    assert [(f.outcome, f.detail[:9]) for f in checks] == [("PASS", "footer"), ("PASS", "signature")]
    data[22] ^= 1
    (tmp_path / "v1.apr").write_bytes(data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little"))
    assert outcomes(tmp_path / "v1.apr")["checksum"] == "FAIL"
    short = data[:21] + b"\2" + data[22:-50]
    (tmp_path / "v1.apr").write_bytes(short + zlib.crc32(short).to_bytes(4, "little"))
    assert outcomes(tmp_path / "v1.apr")["checksum"] == "FAIL"


def test_two_spellings_of_one_field(forge: Callable[..., Path]) -> None:
    path = forge(b'{"hidden_size":8,"n_embd":null}', [("w", 0, (2,), bytes(8))])
    assert outcomes(path)["metadata"] == "FAIL"
    assert APR().read(path).config["hidden_size"] == 8


def test_one_key_twice(forge: Callable[..., Path]) -> None:
    path = forge(b'{"hidden_size":8,"hidden_size":16,"x":{"a":1},"y":{"a":1}}', [("w", 0, (2,), bytes(8))])
    failed = [f for f in APR().validate(path) if f.outcome == "FAIL"]
    assert [f.detail for f in failed] == ["'hidden_size' is there twice: apr would ignore all metadata"]


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_footer_that_is_cut_short_fails(missing: int, apr: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.apr"
    path.write_bytes((apr / "v2_llama_tiny_f32.apr").read_bytes()[:-missing])
    assert outcomes(path)["checksum"] == "FAIL"
