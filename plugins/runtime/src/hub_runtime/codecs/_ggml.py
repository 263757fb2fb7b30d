"""ggml through ctypes, on NumPy's arrays and without the GIL.

The library is the base one that llama-cpp-python brings; that package is not imported. Where a kernel of ggml's would
end the process or has no defined answer (values that are not finite), the NumPy codec does the work.
"""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hub.codecs import reference
from hub.errors import UsageError
from hub.ir import ENCODINGS, Bytes, Encoding
from hub.recipes import WEIGHED

Floats = NDArray[np.float32]

# `enum ggml_type` of ggml.h; a number that means another type in the installed library is left alone.
_NUMBERS = {
    "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14,
    "IQ2_XXS": 16, "IQ2_XS": 17, "IQ3_XXS": 18, "IQ1_S": 19, "IQ4_NL": 20, "IQ3_S": 21, "IQ2_S": 22, "IQ4_XS": 23,
    "IQ1_M": 29, "TQ1_0": 34, "TQ2_0": 35, "MXFP4": 39, "NVFP4": 40, "Q1_0": 41, "Q2_0": 42,
}  # fmt: skip
# ggml_quantize_requires_imatrix, and IQ1_M, whose blocks are of no use without one.
_UNWEIGHED_NEVER = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS"})


class _Traits(ctypes.Structure):
    """`struct ggml_type_traits` of ggml.h, as far as it is used."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("blck_size", ctypes.c_int64),
        ("blck_size_interleave", ctypes.c_int64),
        ("type_size", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    )


class Ggml:
    """The kernels of one libggml."""

    name = "ggml"
    encodes = frozenset(_NUMBERS) - _UNWEIGHED_NEVER
    weighs = WEIGHED

    def __init__(self, library: ctypes.CDLL) -> None:
        traits = library.ggml_get_type_traits
        traits.restype, traits.argtypes = ctypes.POINTER(_Traits), [ctypes.c_int]
        self._to_float = {}
        for name, number in _NUMBERS.items():
            found = traits(number).contents
            if (found.blck_size, found.type_size) == (ENCODINGS[name].block, ENCODINGS[name].nbytes) and found.to_float:
                self._to_float[name] = found.to_float
        self.decodes = frozenset(self._to_float)
        size, pointer = ctypes.c_int64, ctypes.c_void_p
        self._quantize = library.ggml_quantize_chunk
        self._quantize.restype = ctypes.c_size_t
        self._quantize.argtypes = [ctypes.c_int, pointer, pointer, size, size, size, pointer]

    def decode(self, encoding: Encoding, raw: Bytes, columns: int) -> Floats:
        """Values of stored rows, by the type's `to_float`."""
        out = np.empty((len(raw), columns), np.float32)
        self._to_float[encoding.name](raw.ctypes.data, out.ctypes.data, out.size)
        if np.isnan(out.min()):  # which NaN it is differs
            return np.asarray(reference.decode(encoding, raw, columns), np.float32)
        return out

    def encode(self, encoding: Encoding, values: Floats, importance: Floats | None = None) -> Bytes:
        """Stored rows of values, by `ggml_quantize_chunk`.

        `UsageError` for values that are not finite where NumPy has no kernel to ask instead.
        """
        rows, columns = values.shape
        if not np.isfinite(values).all():
            if importance is None and encoding.name in reference.encodes:
                return reference.encode(encoding, values)
            raise UsageError(f"values that are not finite cannot be encoded as {encoding} here")
        out = np.empty((rows, encoding.row_nbytes(columns)), np.uint8)
        weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
        at = None if weights is None else weights.ctypes.data
        kind = _NUMBERS[encoding.name]
        self._quantize(kind, values.ctypes.data, out.ctypes.data, 0, rows, columns, at)
        return out


@cache
def ggml() -> Ggml | None:
    """The codec of the installed libggml; None where llama-cpp-python or its library is not there."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "lib"
    for path in sorted(folder.glob("*ggml-base.*")):
        if path.suffix != ".lib":
            try:
                return Ggml(ctypes.CDLL(str(path)))
            except OSError:
                return None
    return None
