"""Nodes of llama.cpp's compute graph: what they are called, what they compute, and their values."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub_runtime.engine import library

Values = NDArray[np.float32]

_LAYER = re.compile(r"(.*?)-(\d+)(?: |\Z)")
_F32, _F16 = 0, 1  # ggml_type
_DTYPES: dict[int, np.dtype[Any]] = {_F32: np.dtype("<f4"), _F16: np.dtype("<f2")}

# Operations that only look at values that were computed already (ggml.h).
VIEWS = frozenset({"NONE", "VIEW", "RESHAPE", "PERMUTE", "TRANSPOSE"})


class _Tensor(ctypes.Structure):
    """struct ggml_tensor as far as it is read here (ggml.h of the llama.cpp in llama-cpp-python 0.3.36)."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * 64),
    )


@cache
def _ggml() -> Any:
    """The library with the functions on tensors; it lies beside libllama and is loaded already."""
    folder = Path(library().__file__).parent / "lib"
    names = ("libggml-base.so", "libggml-base.dylib", "ggml-base.dll", "libggml-base.dll")
    found = ctypes.CDLL(str(next(folder / n for n in names if (folder / n).exists())))
    found.ggml_op_desc.argtypes, found.ggml_op_desc.restype = [ctypes.c_void_p], ctypes.c_char_p
    found.ggml_nbytes.argtypes, found.ggml_nbytes.restype = [ctypes.c_void_p], ctypes.c_size_t
    found.ggml_backend_tensor_get.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
    found.ggml_backend_tensor_get.restype = None
    return found


def name_of(address: int) -> str:
    """The name of the tensor at `address`: "l_out-3"."""
    name: bytes = _Tensor.from_address(address).name
    return name.decode("utf-8", "replace")


def layer_of(name: str) -> tuple[str, int | None]:
    """What a node is and in which layer: "ffn_out-3" is ("ffn_out", 3), "result_norm" is in none."""
    found = _LAYER.match(name)
    return (found[1], int(found[2])) if found else (name, None)


@dataclass(frozen=True, slots=True)
class Node:
    """A node that was computed; valid only inside the callback that got its address.

    `op` is ggml's name of what it computes ("MUL_MAT"); `shape` its extents, the fastest last.
    """

    address: int
    name: str
    op: str
    shape: tuple[int, ...]

    @classmethod
    def at(cls, address: int) -> Node:
        """The node whose ggml_tensor lies at `address`."""
        raw = _Tensor.from_address(address)
        op: bytes = _ggml().ggml_op_desc(address)
        extents = tuple(reversed(list(raw.ne)))
        return cls(address, name_of(address), op.decode("ascii", "replace"), extents)

    @property
    def sources(self) -> list[str]:
        """Names of what it is computed from."""
        return [name_of(a) for a in _Tensor.from_address(self.address).src if a]

    def values(self) -> Values | None:
        """Its values as float32, shape (rows, width), copied from whatever device; None for other types than floats."""
        raw = _Tensor.from_address(self.address)
        dtype = _DTYPES.get(raw.type)
        if dtype is None or 0 in self.shape:
            return None
        buffer = np.empty(_ggml().ggml_nbytes(self.address), np.uint8)
        _ggml().ggml_backend_tensor_get(self.address, buffer.ctypes.data, 0, buffer.nbytes)
        strides = tuple(reversed(list(raw.nb)))
        view = np.ndarray(self.shape, dtype, buffer.data, strides=strides)
        return np.ascontiguousarray(view, np.float32).reshape(-1, self.shape[-1])
