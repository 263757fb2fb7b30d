"""What two runs of values have in common, summed up in one pass by the compiled kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hub.codecs.native._library import loaded
from hub.codecs.native._stored import Stored, batch


class Sums(NamedTuple):
    """Of two runs a and b: values whose bits differ, the first of them (-1 for none), the largest |b - a|, sums.

    The sums are of (b - a)^2, a^2, b^2 and a * b. They are right to six digits, a * b to six digits of |a| |b|, as is
    the angle between a and b; the largest |b - a| is as float32 rounds it.
    """

    different: int
    first: int
    most: float
    square: float
    aa: float
    bb: float
    ab: float


class _Sums(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in Sums._fields[:2]] + [
        (name, ctypes.c_double) for name in Sums._fields[2:]
    ]


@cache
def _functions() -> tuple[Callable[..., int], Callable[..., int]] | None:
    """Over values, and over what is stored."""
    lib = loaded()
    if lib is None:
        return None
    plain: Any = lib.hub_compare
    stored: Any = lib.hub_compare_stored
    rest = [ctypes.c_int64, ctypes.POINTER(_Sums)]
    plain.restype = stored.restype = ctypes.c_int64
    plain.argtypes = [ctypes.c_void_p] * 2 + [*rest, ctypes.c_int]
    stored.argtypes = [ctypes.POINTER(Stored)] * 2 + [*rest, ctypes.c_int64, ctypes.c_int]
    return plain, stored


def stored_sums(a: Stored, b: Stored, n: int, most: int, level: int = 0) -> Sums | None:
    """The sums over the first `n` values of two tensors, decoded on the way; None where NumPy must do it.

    Of what lies in a file about `most` values are held at a time.
    """
    functions, out = _functions(), _Sums()
    if functions is None or functions[1](a, b, n, ctypes.byref(out), batch(most), level):
        return None
    return Sums(*(getattr(out, name) for name in Sums._fields))


def sums(a: NDArray[Any], b: NDArray[Any], level: int = 0) -> Sums | None:
    """The sums over one-dimensional `a` and `b` of one length; `level` as for `Compiled`.

    None where NumPy must do it: without a library, for other types than contiguous float32, and where a value is
    infinite or a NaN.
    """
    functions = _functions()
    if functions is None or any(x.dtype != np.float32 or not x.flags.c_contiguous for x in (a, b)):
        return None
    out = _Sums()
    if functions[0](a.ctypes.data, b.ctypes.data, len(a), ctypes.byref(out), level):
        return None
    return Sums(*(getattr(out, name) for name in Sums._fields))
