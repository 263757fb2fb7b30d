"""Blocks decode to the bits that the gguf package gives; where it cannot, to those of ggml's definition."""

from collections.abc import Callable

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs import can_decode, decode
from hub.errors import UnsupportedFile
from hub.ir import ENCODINGS, Bytes, Encoding

Stored = Callable[[Encoding, int, int], Bytes]
KINDS = {name: kind for name in ENCODINGS if (kind := getattr(gguf.GGMLQuantizationType, name, None)) is not None}


def theirs(raw: Bytes, name: str) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        return np.asarray(gguf.dequantize(raw, KINDS[name]))


def gguf_decodes(name: str) -> bool:
    try:
        theirs(np.zeros((1, ENCODINGS[name].nbytes), np.uint8), name)
    except NotImplementedError:
        return False
    return True


DECODED_BY_GGUF = [name for name in KINDS if gguf_decodes(name)]


def same_bits(got: NDArray[np.float32], want: NDArray[np.float32]) -> bool:
    return got.shape == want.shape and np.array_equal(got.view(np.uint32), want.view(np.uint32))


@pytest.mark.parametrize("name", DECODED_BY_GGUF)
@pytest.mark.parametrize(("rows", "blocks"), [(1, 1), (3, 7), (67, 3)])
def test_random_blocks(name: str, rows: int, blocks: int, stored: Stored) -> None:
    encoding = ENCODINGS[name]
    raw = stored(encoding, rows, blocks * encoding.block)
    assert same_bits(decode(encoding, raw, blocks * encoding.block), theirs(raw, name))


def test_gguf_decodes_what_models_use() -> None:
    """Nothing above is left out because the package could not be asked."""
    families = {"Q": 10, "I": 9, "T": 2, "M": 1}
    assert all(sum(name[0] == letter for name in DECODED_BY_GGUF) >= count for letter, count in families.items())


@pytest.mark.parametrize("name", [name for name in DECODED_BY_GGUF if ENCODINGS[name].block > 1])
@pytest.mark.parametrize("scale", [0x0000, 0x8000, 0x0001, 0x03FF, 0x7BFF, 0x7C00, 0xFC00, 0x7E01, 0xFE00, 0x7D00])
def test_every_kind_of_scale(name: str, scale: int, stored: Stored) -> None:
    """Zero, subnormal, largest, infinite and NaN float16 wherever a block has two bytes for one."""
    encoding = ENCODINGS[name]
    raw = stored(encoding, 2, encoding.block)
    for at in {0, 2, encoding.nbytes - 2, encoding.nbytes - 4}:
        changed = raw.copy()
        changed[:, at : at + 2] = np.array([scale], np.uint16).view(np.uint8)
        assert same_bits(decode(encoding, changed, encoding.block), theirs(changed, name))


def test_more_blocks_than_one_call_of_a_kernel_takes(stored: Stored) -> None:
    encoding = ENCODINGS["Q6_K"]
    raw = stored(encoding, 150, 4096)
    assert same_bits(decode(encoding, raw, 4096), theirs(raw, "Q6_K"))


def test_q8_1_and_q8_k_by_definition(stored: Stored) -> None:
    """block_q8_1 is {half d, half s, int8[32]}, block_q8_K is {float d, int8[256], int16[16]}: value = d * q."""
    raw = stored(ENCODINGS["Q8_1"], 5, 32)
    d = raw[:, :2].copy().view(np.float16).astype(np.float32)
    want = d * raw[:, 4:].view(np.int8).astype(np.float32)
    assert same_bits(decode(ENCODINGS["Q8_1"], raw, 32), want)
    raw = stored(ENCODINGS["Q8_K"], 5, 256)
    raw[:, 3] = 0x3F
    want = raw[:, :4].copy().view(np.float32) * raw[:, 4:260].view(np.int8).astype(np.float32)
    assert same_bits(decode(ENCODINGS["Q8_K"], raw, 256), want)


def test_q1_0_and_q2_0_by_definition(stored: Stored) -> None:
    """Bit j of a Q1_0 block says +d or -d; two bits of a Q2_0 block say -d, 0, d or 2d; the lowest bits come first."""
    for name, bits in (("Q1_0", 1), ("Q2_0", 2)):
        encoding = ENCODINGS[name]
        raw = stored(encoding, 4, encoding.block)
        raw[:, 1] = 0x2C
        got = decode(encoding, raw, encoding.block)
        for row, values in zip(raw, got, strict=True):
            number = int.from_bytes(row[2:].tobytes(), "little")
            d = float(row[:2].view(np.float16)[0])
            codes = [number >> bits * j & (1 << bits) - 1 for j in range(encoding.block)]
            assert values.tolist() == [d * (2 * code - 1 if bits == 1 else code - 1) for code in codes]


def test_a_padded_row_is_cut(stored: Stored) -> None:
    encoding = ENCODINGS["Q4_K"]
    raw = stored(encoding, 3, 320)
    assert raw.shape == (3, 2 * 144)
    assert same_bits(decode(encoding, raw, 320), np.ascontiguousarray(theirs(raw, "Q4_K")[:, :320]))


def test_rows_that_are_not_contiguous(stored: Stored) -> None:
    encoding = ENCODINGS["Q5_1"]
    raw = stored(encoding, 9, 64)
    assert same_bits(decode(encoding, raw[::2], 64), theirs(raw[::2].copy(), "Q5_1"))


def test_the_input_is_left_alone(stored: Stored) -> None:
    for name in [name for name in ENCODINGS if can_decode(ENCODINGS[name])]:
        encoding = ENCODINGS[name]
        raw = stored(encoding, 1, encoding.block)
        raw.flags.writeable = False
        before = raw.copy()
        decode(encoding, raw, encoding.block)
        assert np.array_equal(before, raw), name


@pytest.mark.parametrize("name", [name for name in ENCODINGS if name != "C64"])
def test_no_rows(name: str) -> None:
    encoding = ENCODINGS[name]
    assert decode(encoding, np.empty((0, encoding.row_nbytes(256)), np.uint8), 256).shape == (0, 256)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="take 34 bytes"):
        decode(ENCODINGS["Q8_0"], np.zeros((1, 33), np.uint8), 32)


def test_opaque_values_are_refused_by_name() -> None:
    assert not can_decode(ENCODINGS["C64"])
    with pytest.raises(UnsupportedFile, match="C64"):
        decode(ENCODINGS["C64"], np.zeros((1, 8), np.uint8), 1)


def test_every_other_encoding_can_be_decoded() -> None:
    assert [name for name in ENCODINGS if not can_decode(ENCODINGS[name])] == ["C64"]
