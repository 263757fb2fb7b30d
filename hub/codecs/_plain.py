"""Encodings with one value per element: floats of 64 to 8 bits, integers, booleans.

FP8 is that of "FP8 Formats for Deep Learning" (E4M3 has no infinity, S.1111.111 is NaN; E5M2 is the upper byte of a
float16), E8M0 that of the OCP microscaling formats (2**(code - 127), 255 is NaN). Rounding is to nearest, ties to even,
as PyTorch does: above the largest E4M3 there is only NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hub.codecs._half import from_bf16, from_f16, to_bf16, to_f16
from hub.codecs._kernel import Floats
from hub.errors import UsageError
from hub.ir import Bytes

Values: TypeAlias = NDArray[Any]

# Values rounded together: temporaries of a megabyte would be new pages, cleared by the kernel, in every call.
_PIECE = 1 << 16

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64), "F32": np.dtype(np.float32),
    "I8": np.dtype(np.int8), "I16": np.dtype(np.int16), "I32": np.dtype(np.int32), "I64": np.dtype(np.int64),
    "U8": np.dtype(np.uint8), "U16": np.dtype(np.uint16), "U32": np.dtype(np.uint32), "U64": np.dtype(np.uint64),
}  # fmt: skip


def dtype_of(name: str) -> np.dtype[Any]:
    """The type of decoded values of the encoding `name`."""
    return np.dtype(np.bool_) if name == "BOOL" else _DTYPES.get(name, np.dtype(np.float32))


def _decode_f16(raw: Bytes) -> Values:
    return from_f16(raw.view(np.uint16))


def _decode_bf16(raw: Bytes) -> Values:
    return from_bf16(raw.view(np.uint16))


def _decode_bool(raw: Bytes) -> Values:
    return np.not_equal(raw, 0)


@cache
def _codes(name: str) -> Floats:
    """The value of each of the 256 codes of an 8-bit float."""
    code = np.arange(256)
    if name == "F8_E5M2":
        return _decode_f16((code << 8).astype(np.uint16).view(np.uint8))
    if name == "F8_E8M0":
        return np.where(code == 255, np.nan, np.ldexp(1.0, code - 127)).astype(np.float32)
    exponent, fraction = code >> 3 & 15, (code & 7) / 8
    size = np.ldexp(np.where(exponent == 0, fraction, 1 + fraction), np.maximum(exponent, 1) - 7)
    signed = np.where(code < 128, size, -size)
    signed[code & 127 == 127] = np.nan
    return np.asarray(signed, np.float32)


def _decode_f8(name: str) -> Callable[[Bytes], Values]:
    return lambda raw: np.take(_codes(name), raw)


def _as_floats(values: Values) -> Floats:
    return np.ascontiguousarray(values, np.float32)


def _encode_f16(values: Values) -> Bytes:
    if values.dtype == np.float64:  # rounding to float32 first would round twice
        return values.astype(np.float16).view(np.uint8)
    x = _as_floats(values).reshape(-1)
    out = np.empty(x.size, np.uint16)
    for at in range(0, x.size, _PIECE):
        out[at : at + _PIECE] = to_f16(x[at : at + _PIECE])
    return out.view(np.uint8)


def _encode_bf16(values: Values) -> Bytes:
    return to_bf16(_as_floats(values)).view(np.uint8)


def _odd_halves(x: Floats) -> NDArray[np.uint16]:
    """The upper 16 bits of each value, the lowest of them set where bits were cut off: rounding again stays right."""
    bits = x.view(np.uint32)
    upper = (bits >> 16).astype(np.uint16)
    upper |= bits & 0xFFFF != 0
    return upper


@cache
def _rounded(name: str) -> Bytes:
    """The 8-bit code for each of the 65536 upper halves that `_odd_halves` gives."""
    table = _codes(name)
    top = 0x7E if name == "F8_E4M3" else 0x7B
    levels = np.append(table[: top + 1], 2 * table[top] - table[top - 1]).astype(np.float64)
    x = (np.arange(0x8000, dtype=np.uint32) << 16).view(np.float32).astype(np.float64)
    above = np.searchsorted(levels, np.nan_to_num(x, nan=np.inf, posinf=np.inf)).clip(1, top + 1)
    middle = (levels[above - 1] + levels[above]) / 2
    code = np.where((x > middle) | ((x == middle) & (above % 2 == 0)), above, above - 1)
    code[x > levels[-1]] = top + 1
    code[np.isnan(x)] = 0x7F
    return np.concatenate([code, code | 0x80]).astype(np.uint8)


def _encode_f8(name: str) -> Callable[[Values], Bytes]:
    return lambda values: np.take(_rounded(name), _odd_halves(_as_floats(values)))


def _encode_bool(values: Values) -> Bytes:
    return _exact(values, np.dtype(np.bool_)).view(np.uint8)


def _exact(values: Values, dtype: np.dtype[Any]) -> Values:
    """`values` as integers or booleans; `UsageError` when one of them is none of that type."""
    out = values.astype(dtype)
    if not np.array_equal(out, values) or (values.dtype.kind in "iu" and np.any((out < 0) != (values < 0))):
        raise UsageError(f"some values are not of the type {dtype.name}", hint="choose a float encoding")
    return out


def _decode_dtype(name: str) -> Callable[[Bytes], Values]:
    return lambda raw: raw.view(_DTYPES[name])


def _encode_dtype(name: str) -> Callable[[Values], Bytes]:
    dtype = _DTYPES[name]
    if dtype.kind == "f":
        return lambda values: np.ascontiguousarray(values, dtype).view(np.uint8)
    return lambda values: np.ascontiguousarray(_exact(values, dtype)).view(np.uint8)


# Raw bytes, contiguous uint8 [rows, bytes], to values [rows, columns]; and the way back.
DECODERS: dict[str, Callable[[Bytes], Values]] = {
    **{name: _decode_dtype(name) for name in _DTYPES},
    "F16": _decode_f16, "BF16": _decode_bf16, "BOOL": _decode_bool,
    **{name: _decode_f8(name) for name in ("F8_E4M3", "F8_E5M2", "F8_E8M0")},
}  # fmt: skip
ENCODERS: dict[str, Callable[[Values], Bytes]] = {
    **{name: _encode_dtype(name) for name in _DTYPES},
    "F16": _encode_f16, "BF16": _encode_bf16, "BOOL": _encode_bool,
    **{name: _encode_f8(name) for name in ("F8_E4M3", "F8_E5M2")},
}  # fmt: skip
