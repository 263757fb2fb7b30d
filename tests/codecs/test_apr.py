"""The APR container's encodings give the numbers that the reference library gave."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.codecs import decode, encode, span
from hub.ir import ENCODINGS, Tensor

FIXTURES = Path(__file__).parents[2] / "plugins/apr/tests/fixtures"
NAMES = {
    "f32": "F32", "f16": "F16", "bf16": "BF16", "f64": "F64", "i32": "I32", "i64": "I64", "i8": "I8", "u8": "U8",
    "q4": "APR_Q4", "q8": "APR_Q8", "q4_k": "Q4_K", "q6_k": "Q6_K",
}  # fmt: skip
SOUND = [
    "v2_all_dtypes", "v2_quant_edges", "v2_q4k_rowpadded", "v2_legacy_ids_8_9", "v2_llama_tiny_q4k", "v2_shapes",
    "v2_unaligned",
]  # fmt: skip
MANIFEST = {entry["file"]: entry for entry in json.loads((FIXTURES / "manifest.json").read_text())["fixtures"]}


def tensors(name: str) -> list[tuple[Tensor, dict[str, Any]]]:
    data = (FIXTURES / f"{name}.apr").read_bytes()
    entries = MANIFEST[f"{name}.apr"]["dump"]["tensors"]
    raws = [data[entry["abs_offset"] : entry["abs_offset"] + entry["size"]] for entry in entries]
    return [
        (Tensor.from_bytes(entry["name"], entry["shape"], ENCODINGS[NAMES[entry["dtype"]]], raw), entry)
        for entry, raw in zip(entries, raws, strict=True)
    ]


@pytest.mark.parametrize("name", SOUND)
def test_decoded_numbers(name: str) -> None:
    for tensor, entry in tensors(name):
        got = span(tensor, 0, tensor.size)
        if "values_f32le_crc32" in entry:
            assert f"{zlib.crc32(got.astype('<f4').tobytes()):08x}" == entry["values_f32le_crc32"], tensor.name
            assert got[: len(entry["values_head"])].tolist() == entry["values_head"]
        else:
            assert got.tolist() == (entry["values"] or []), tensor.name


def test_encoded_bytes() -> None:
    """The fixtures' generator made both tensors from these values; the scale tells them exactly."""
    found = {tensor.name: tensor for tensor, _ in tensors("v2_quant_edges")}
    halfway = np.array([[7.0, 0.5, -0.5, 1.5, -1.5, 2.5]], np.float32)
    assert encode(ENCODINGS["APR_Q4"], halfway).tobytes() == found["q4_halfway"].read()
    halfway = np.array([[127.0, 0.5, -0.5, 1.5, 2.5]], np.float32)
    assert encode(ENCODINGS["APR_Q8"], halfway).tobytes() == found["q8_halfway"].read()
    assert encode(ENCODINGS["APR_Q4"], np.zeros((1, 32), np.float32)).tobytes() == found["q4_zeros"].read()
    assert encode(ENCODINGS["APR_Q8"], np.zeros((1, 4), np.float32)).tobytes() == found["q8_zeros"].read()


@pytest.mark.parametrize("scale", [0x7C00, 0xFC00, 0x7E00, 0x03FF, 0x0001, 0x8000])
def test_scales_that_the_container_takes_for_zero(scale: int) -> None:
    raw = np.full((1, 18), 0xFF, np.uint8)
    raw[0, :2] = np.array([scale], np.uint16).view(np.uint8)
    assert decode(ENCODINGS["APR_Q4"], raw, 32).tolist() == [[0.0] * 32]


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 64])
def test_sizes_and_unused_nibbles(count: int) -> None:
    values = np.full((1, count), 7, np.float32)
    raw = encode(ENCODINGS["APR_Q4"], values)
    assert raw.shape == (1, 18 * -(-count // 32))
    nibbles = np.stack([raw.reshape(-1, 18)[:, 2:] & 15, raw.reshape(-1, 18)[:, 2:] >> 4], axis=2).reshape(-1)
    assert nibbles.tolist() == [15] * count + [0] * (len(nibbles) - count)
    assert encode(ENCODINGS["APR_Q8"], values).shape == (1, 4 + count)
