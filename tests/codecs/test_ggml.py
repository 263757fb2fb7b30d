"""ggml's own C functions give the same bits; they come with llama-cpp-python, and the tests skip without it."""

import ctypes
import importlib.util
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs import ENCODABLE, decode, encode
from hub.ir import ENCODINGS, Bytes, Encoding

pytestmark = pytest.mark.llama

Stored = Callable[[Encoding, int, int], Bytes]
Floats = NDArray[np.float32]
NUMBERS = {kind.name: int(kind) for kind in gguf.GGMLQuantizationType} | {"Q1_0": 41, "Q2_0": 42}
BLOCKS = [name for name, encoding in ENCODINGS.items() if encoding.kind == "block" and not encoding.flat]


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
def traits() -> Callable[[str], Traits]:
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        pytest.skip("llama-cpp-python is not installed")
    found = [path for path in (Path(spec.origin).parent / "lib").glob("*ggml-base.*") if path.suffix != ".lib"]
    if not found:
        pytest.skip("this llama-cpp-python has no ggml library of its own")
    get = ctypes.CDLL(str(found[0])).ggml_get_type_traits
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
def test_encoding(name: str, traits: Callable[[str], Traits], finite: Floats) -> None:
    want = np.empty((len(finite), ENCODINGS[name].row_nbytes(finite.shape[1])), np.uint8)
    traits(name).from_float_ref(finite.ctypes.data, want.ctypes.data, finite.size)
    assert np.array_equal(encode(ENCODINGS[name], finite), want)
