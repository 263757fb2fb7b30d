"""ggml's own C functions give the same bits; they come with llama-cpp-python, and the tests skip without it."""

import ctypes
from collections.abc import Callable

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs import ENCODABLE, decode, encode
from hub.ir import ENCODINGS, Bytes, Encoding

pytestmark = pytest.mark.llama

Stored = Callable[[Encoding, int, int], Bytes]
Floats = NDArray[np.float32]
Quantize = Callable[[int, Encoding, Floats], Bytes]
NUMBERS = {kind.name: int(kind) for kind in gguf.GGMLQuantizationType} | {"Q1_0": 41, "Q2_0": 42}
BLOCKS = [name for name, encoding in ENCODINGS.items() if encoding.kind == "block" and not encoding.flat]
SEARCHED = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]


class Traits(ctypes.Structure):
    """`struct ggml_type_traits` of ggml.h."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("blck_size", ctypes.c_int64),
        ("blck_size_interleave", ctypes.c_int64),
        ("type_size", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
        ("from_float_ref", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    )


@pytest.fixture(scope="module")
def traits(ggml: ctypes.CDLL) -> Callable[[str], Traits]:
    get = ggml.ggml_get_type_traits
    get.restype, get.argtypes = ctypes.POINTER(Traits), [ctypes.c_int]
    return lambda name: Traits.from_buffer_copy(get(NUMBERS[name]).contents)


@pytest.mark.parametrize("name", BLOCKS)
def test_sizes(name: str, traits: Callable[[str], Traits]) -> None:
    theirs = traits(name)
    assert theirs.type_name.decode().upper() == name
    assert (theirs.blck_size, theirs.type_size) == (ENCODINGS[name].block, ENCODINGS[name].nbytes)


@pytest.mark.parametrize("name", BLOCKS)
def test_decoding(name: str, traits: Callable[[str], Traits], stored: Stored) -> None:
    theirs, encoding = traits(name), ENCODINGS[name]
    if not theirs.to_float:
        pytest.skip(f"ggml does not decode {name}")
    raw = np.concatenate([stored(encoding, 4, encoding.block * 16), np.zeros((1, 16 * encoding.nbytes), np.uint8)])
    want = np.empty((len(raw), 16 * encoding.block), np.float32)
    theirs.to_float(raw.ctypes.data, want.ctypes.data, want.size)
    got = decode(encoding, raw, 16 * encoding.block)
    assert np.array_equal(got, want, equal_nan=True)


@pytest.mark.parametrize("name", [name for name in BLOCKS if name in ENCODABLE])
def test_encoding(name: str, ggml_encode: Quantize, finite: Floats) -> None:
    want = ggml_encode(NUMBERS[name], ENCODINGS[name], finite)
    assert np.array_equal(encode(ENCODINGS[name], finite), want)


@pytest.mark.parametrize("name", SEARCHED)
def test_encoding_of_hard_values(name: str, ggml_encode: Quantize, hard: Floats) -> None:
    """NaN, infinite and huge values among them: what the quantizers make of those is not more than their bytes."""
    assert np.array_equal(encode(ENCODINGS[name], hard), ggml_encode(NUMBERS[name], ENCODINGS[name], hard))


@pytest.mark.parametrize("name", SEARCHED)
@pytest.mark.parametrize("seed", range(3))
def test_encoding_of_sub_blocks_of_every_kind(name: str, seed: int, ggml_encode: Quantize) -> None:
    """Each sixteen values have a size, a middle and a share of zeros of their own."""
    generator = np.random.default_rng(seed)
    shape, parts = (96, 512), (96, 32)
    size = 10.0 ** generator.integers(-9, 3, parts)
    middle = generator.choice([0, 0, 0, 1, -1, 30], parts) * size
    x = generator.normal(0, 1, shape) * np.repeat(size, 16, axis=1) + np.repeat(middle, 16, axis=1)
    x[generator.random(shape) < np.repeat(generator.choice([0, 0, 0.5, 0.95], parts), 16, axis=1)] = 0
    values = x.astype(np.float32)
    assert np.array_equal(encode(ENCODINGS[name], values), ggml_encode(NUMBERS[name], ENCODINGS[name], values))
