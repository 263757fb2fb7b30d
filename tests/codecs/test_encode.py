"""Blocks are encoded to the bytes that the gguf package gives."""

from collections.abc import Callable

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs import ENCODABLE, can_encode, decode, encode
from hub.errors import UsageError
from hub.ir import ENCODINGS, Bytes

Floats = NDArray[np.float32]
ENCODED_BY_GGUF = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4"]
WITHOUT_GGUF = [
    "F64", "F8_E4M3", "F8_E5M2", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL", "APR_Q4", "APR_Q8",
    "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS",
]  # fmt: skip


def theirs(values: Floats, name: str) -> Bytes:
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(gguf.quantize(values, gguf.GGMLQuantizationType[name])).view(np.uint8)


@pytest.mark.parametrize("name", ENCODED_BY_GGUF)
def test_hard_values(name: str, hard: Floats) -> None:
    before = hard.copy()
    assert np.array_equal(encode(ENCODINGS[name], hard), theirs(hard, name))
    assert np.array_equal(before.view(np.uint32), hard.view(np.uint32))


@pytest.mark.parametrize("name", ENCODED_BY_GGUF)
def test_many_normal_values(name: str) -> None:
    values = np.random.default_rng(3).normal(0, 0.05, (257, 1024)).astype(np.float32)
    assert np.array_equal(encode(ENCODINGS[name], values), theirs(values, name))


def test_everything_gguf_encodes_is_there() -> None:
    def encodes(name: str) -> bool:
        try:
            theirs(np.zeros((1, 256), np.float32), name)
        except NotImplementedError:
            return False
        return True

    known = [kind.name for kind in gguf.GGMLQuantizationType if kind.name in ENCODINGS]
    assert {name for name in known if encodes(name) and name in ENCODABLE} == set(ENCODED_BY_GGUF)
    assert set(ENCODABLE) == {*ENCODED_BY_GGUF, *WITHOUT_GGUF}


def test_a_short_last_block_is_filled_with_zeros() -> None:
    values = np.random.default_rng(5).normal(size=(3, 40)).astype(np.float32)
    padded = np.pad(values, ((0, 0), (0, 24)))
    raw = encode(ENCODINGS["Q8_0"], values)
    assert np.array_equal(raw, theirs(padded, "Q8_0"))
    assert decode(ENCODINGS["Q8_0"], raw, 40).shape == (3, 40)


@pytest.mark.parametrize("name", ["Q8_K", "IQ2_XXS", "IQ3_S", "NVFP4", "C64"])
def test_what_cannot_be_encoded_names_what_can(name: str) -> None:
    assert not can_encode(ENCODINGS[name])
    with pytest.raises(UsageError, match=f"{name} cannot be encoded; choose one of .*Q8_0") as caught:
        encode(ENCODINGS[name], np.zeros((1, 256), np.float32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ENCODABLE)
def test_no_rows(name: str) -> None:
    encoding = ENCODINGS[name]
    rows = 1 if encoding.flat else 0
    columns = 0 if encoding.flat else 256
    assert encode(encoding, np.empty((rows, columns), np.float32)).shape == (rows, encoding.row_nbytes(columns))


@pytest.mark.parametrize("name", ["Q4_1", "Q4_K", "Q3_K", "IQ4_XS"])
def test_many_threads_give_the_same_bytes(name: str, in_threads: Callable[[Callable[[], Bytes]], list[Bytes]]) -> None:
    values = np.random.default_rng(9).normal(size=(64, 1024)).astype(np.float32)
    want = encode(ENCODINGS[name], values)
    assert all(np.array_equal(want, got) for got in in_threads(lambda: encode(ENCODINGS[name], values)))
