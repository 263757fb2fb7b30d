"""Files for big-endian machines, made by the `gguf` package's own converter."""

from __future__ import annotations

import argparse
import builtins
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFEndian, GGUFReader, GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES
from gguf.scripts import gguf_convert_endian

from hub.errors import UnsupportedFile
from hub.pipeline import Request, convert
from hub_gguf import GgufFormat

KINDS = ["F32", "F16", "BF16", "Q4_0", "Q8_0", "Q4_K", "Q6_K", "MXFP4", "NVFP4"]


def write(path: Path, kinds: list[str], order: GGUFEndian = GGUFEndian.LITTLE) -> Path:
    rng = np.random.default_rng(2)
    writer = GGUFWriter(path, "toy", endianess=order)
    writer.add_array("words", ["one", "zwei"])
    writer.add_array("numbers", [1.5, 2.5])
    for name in kinds:
        kind = GGMLQuantizationType[name]
        block, nbytes = GGML_QUANT_SIZES[kind]
        if name in ("F32", "F16", "BF16"):
            data = quants.quantize(rng.normal(size=(3, 256)).astype(np.float32), kind)
        else:
            data = rng.integers(0, 256, (3, 256 // block * nbytes), np.uint8)
        writer.add_tensor(f"{name.lower()}.weight", data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def turned(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    big = path.with_name("big.gguf")
    big.write_bytes(path.read_bytes())
    monkeypatch.setattr(builtins, "input", lambda _: "YES")
    gguf_convert_endian.convert_byteorder(GGUFReader(big, "r+"), argparse.Namespace(order="big", dry_run=False))
    assert big.read_bytes()[4:8] == b"\0\0\0\3"
    return big


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_the_little_endian_twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    little = write(tmp_path / "little.gguf", [kind])
    ((name, one),) = GgufFormat().read(little).tensors.items()
    other = GgufFormat().read(turned(little, monkeypatch)).tensors[name]
    assert (other.encoding, other.shape) == (one.encoding, one.shape)
    assert other.read() == one.read()
    assert other.rows.read(1, 2).tobytes() == one.rows.read(1, 2).tobytes()


def test_a_conversion_gives_the_little_endian_twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little = write(tmp_path / "little.gguf", KINDS)
    report = convert(Request(turned(little, monkeypatch), tmp_path / "again.gguf"))
    assert (tmp_path / "again.gguf").read_bytes() == little.read_bytes()
    assert any("big-endian" in note for note in report.notes)


def test_blocks_without_a_defined_form_are_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", ["Q5_K"], GGUFEndian.BIG)
    with pytest.raises(UnsupportedFile, match=r"tensor 'q5_k.weight': Q5_K in a file for big-endian machines"):
        GgufFormat().read(path)
