"""Floats of 64 to 8 bits, integers and booleans."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hub.codecs import decode, encode
from hub.errors import UsageError
from hub.ir import ENCODINGS

ALL_HALVES = np.arange(1 << 16, dtype=np.uint16)
BITS = st.lists(st.integers(0, (1 << 32) - 1), min_size=1, max_size=200)


def test_all_float16_decode_as_numpy_does() -> None:
    want = ALL_HALVES.view(np.float16).astype(np.float32)
    got = decode(ENCODINGS["F16"], ALL_HALVES.view(np.uint8)[None], 1 << 16)[0]
    assert np.array_equal(got.view(np.uint32), want.view(np.uint32))


def test_all_bfloat16_decode_to_their_upper_halves() -> None:
    got = decode(ENCODINGS["BF16"], ALL_HALVES.view(np.uint8)[None], 1 << 16)[0]
    assert np.array_equal(got.view(np.uint32), ALL_HALVES.astype(np.uint32) << 16)


@pytest.mark.parametrize("name", ["F16", "BF16"])
def test_all_halves_survive_a_round_trip(name: str) -> None:
    """Every value; signalling NaN may become quiet."""
    values = decode(ENCODINGS[name], ALL_HALVES.view(np.uint8)[None], 1 << 16)
    back = encode(ENCODINGS[name], values).view(np.uint16)[0]
    numbers = ~np.isnan(values[0])
    assert np.array_equal(back[numbers], ALL_HALVES[numbers])
    assert np.isnan(decode(ENCODINGS[name], back[~numbers].view(np.uint8)[None], (~numbers).sum())).all()


@given(BITS)
def test_float16_rounds_as_numpy_does(bits: list[int]) -> None:
    values = np.array(bits, np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        want = values.astype(np.float16).view(np.uint16)
    assert np.array_equal(encode(ENCODINGS["F16"], values[None]).view(np.uint16)[0], want)


def test_float16_at_and_beside_every_midpoint() -> None:
    levels = np.arange(0x7C01, dtype=np.uint16).view(np.float16).astype(np.float32)
    levels[-1] = 65536
    middle = (levels[:-1] + levels[1:]) / 2
    for direction, sign in product((0, None, np.inf), (1, -1)):
        values = np.float32(sign) * (middle if direction is None else np.nextafter(middle, np.float32(direction)))
        with np.errstate(all="ignore"):
            want = values.astype(np.float16).view(np.uint16)
        assert np.array_equal(encode(ENCODINGS["F16"], values[None]).view(np.uint16)[0], want)


def test_float64_is_rounded_once() -> None:
    value = 1 + 2.0**-11 + 2.0**-40  # as float32 this is a tie, which would go down
    assert decode(ENCODINGS["F16"], encode(ENCODINGS["F16"], np.array([[value]])), 1)[0, 0] == 1 + 2.0**-10


def e4m3(code: int) -> float:
    """S.EEEE.MMM, bias 7, no infinity (FP8 Formats for Deep Learning, table 1)."""
    sign = -1.0 if code & 128 else 1.0
    exponent, mantissa = code >> 3 & 15, code & 7
    if exponent == 15 and mantissa == 7:
        return float("nan")
    return sign * (mantissa / 8 * 2.0**-6 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7))


def e5m2(code: int) -> float:
    """S.EEEEE.MM, bias 15, as IEEE (FP8 Formats for Deep Learning, table 1)."""
    sign = -1.0 if code & 128 else 1.0
    exponent, mantissa = code >> 2 & 31, code & 3
    if exponent == 31:
        return sign * float("inf") if mantissa == 0 else float("nan")
    return sign * (mantissa / 4 * 2.0**-14 if exponent == 0 else (1 + mantissa / 4) * 2.0 ** (exponent - 15))


def e8m0(code: int) -> float:
    return float("nan") if code == 255 else 2.0 ** (code - 127)


@pytest.mark.parametrize(("name", "meaning"), [("F8_E4M3", e4m3), ("F8_E5M2", e5m2), ("F8_E8M0", e8m0)])
def test_all_codes_of_8_bit_floats(name: str, meaning: object) -> None:
    assert callable(meaning)
    got = decode(ENCODINGS[name], np.arange(256, dtype=np.uint8)[None], 256)[0]
    want = np.array([meaning(code) for code in range(256)], np.float32)
    assert np.array_equal(got, want, equal_nan=True)
    assert np.array_equal(np.signbit(got)[~np.isnan(want)], np.signbit(want)[~np.isnan(want)])


@pytest.mark.parametrize(("name", "top"), [("F8_E4M3", 448.0), ("F8_E5M2", 57344.0)])
def test_8_bit_floats_round_to_the_nearest_even(name: str, top: float) -> None:
    codes = np.arange(128, dtype=np.uint8)
    levels = decode(ENCODINGS[name], codes[None], 128)[0]
    levels = levels[levels <= top].astype(np.float64)
    middle = (levels[:-1] + levels[1:]) / 2
    even = np.arange(len(middle)) + np.arange(len(middle)) % 2
    for values, want in (
        (levels, np.arange(len(levels))),
        (middle, even),
        (np.nextafter(middle.astype(np.float32), np.float32(0)), np.arange(len(middle))),
        (np.nextafter(middle.astype(np.float32), np.float32(np.inf)), np.arange(len(middle)) + 1),
    ):
        assert encode(ENCODINGS[name], values[None].astype(np.float32))[0].tolist() == want.tolist()
        assert encode(ENCODINGS[name], -values[None].astype(np.float32))[0].tolist() == (want | 128).tolist()


def test_what_is_above_the_largest_8_bit_float() -> None:
    values = np.array([[464.0, 464.1, 1e30, np.inf, -np.inf, np.nan]], np.float32)
    assert encode(ENCODINGS["F8_E4M3"], values)[0].tolist() == [0x7E, 0x7F, 0x7F, 0x7F, 0xFF, 0x7F]
    values = np.array([[61439.0, 61440.0, np.inf, -np.inf]], np.float32)
    assert encode(ENCODINGS["F8_E5M2"], values)[0].tolist() == [0x7B, 0x7C, 0x7C, 0xFC]
    assert np.isnan(decode(ENCODINGS["F8_E5M2"], encode(ENCODINGS["F8_E5M2"], np.array([[np.nan]])), 1)).all()


@pytest.mark.parametrize("name", ["I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "F64", "BOOL"])
def test_integers_keep_their_type_and_bytes(name: str) -> None:
    encoding = ENCODINGS[name]
    raw = np.random.default_rng(1).integers(0, 2 if name == "BOOL" else 256, (3, 5 * encoding.nbytes), dtype=np.uint8)
    values = decode(encoding, raw, 5)
    assert values.dtype.itemsize == encoding.nbytes
    assert values.dtype.kind == {"I": "i", "U": "u", "F": "f", "B": "b"}[name[0]]
    assert np.array_equal(encode(encoding, values), raw)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("I8", np.array([[128]])),
        ("U8", np.array([[-1]])),
        ("U64", np.array([[-1]], np.int64)),
        ("I64", np.array([[1 << 63]], np.uint64)),
        ("I32", np.array([[0.5]], np.float32)),
        ("I32", np.array([[np.nan]], np.float32)),
        ("BOOL", np.array([[2]])),
    ],
)
def test_values_that_an_integer_type_lacks_are_refused(name: str, values: NDArray[Any]) -> None:
    with pytest.raises(UsageError, match="not of the type"):
        encode(ENCODINGS[name], values)


def test_whole_floats_become_integers() -> None:
    values = np.array([[-3.0, 0.0, 127.0]], np.float32)
    assert encode(ENCODINGS["I8"], values).view(np.int8).tolist() == [[-3, 0, 127]]
