"""What two runs of values have in common, summed up in one pass by the compiled kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hub.codecs.native._build import library


class Sums(NamedTuple):
    """Of two runs a and b: values whose bits differ, the first of them (-1 for none), the largest |b - a|, sums.

    The sums are of (b - a)^2, a^2, b^2 and a * b, in float64.
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
def _function() -> Callable[..., int] | None:
    path = library()
    if not path.exists():
        return None
    try:
        function: Any = ctypes.CDLL(str(path)).hub_compare
    except OSError:  # built for another machine
        return None
    function.restype = ctypes.c_int64
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.POINTER(_Sums), ctypes.c_int]
    return function  # type: ignore[no-any-return]  # ctypes has no types for the functions of a library


def sums(a: NDArray[Any], b: NDArray[Any], level: int = 0) -> Sums | None:
    """The sums over one-dimensional `a` and `b` of one length; `level` as for `Compiled`.

    None where NumPy must do it: without a library, for other types than contiguous float32, and where a value is
    infinite or a NaN.
    """
    function = _function()
    if function is None or any(x.dtype != np.float32 or not x.flags.c_contiguous for x in (a, b)):
        return None
    out = _Sums()
    if function(a.ctypes.data, b.ctypes.data, len(a), ctypes.byref(out), level):
        return None
    return Sums(*(getattr(out, name) for name in Sums._fields))
