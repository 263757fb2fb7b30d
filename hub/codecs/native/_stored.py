"""Values as they are stored, in memory or in an open file, as the compiled kernels are told of them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from hub.codecs.native._library import loaded
from hub.ir import Bytes, Encoding

STEP = 1024
"""Values that the kernels take at a time: what is passed to them as a batch is a multiple of it."""

_READ = 1 << 15  # values read at a time where they are looked at: what both sides take stays in the second-level cache


class Place(NamedTuple):
    """A place in a file that stays open meanwhile: its descriptor and the byte at which something begins."""

    fd: int
    offset: int


Where: TypeAlias = Bytes | Place


class Stored(ctypes.Structure):
    """One side: the address of its kernel (None: float32 as it is), where it lies, and how blocks are made."""

    _fields_ = (
        ("kernel", ctypes.c_void_p), ("data", ctypes.c_void_p), ("fd", ctypes.c_int64), ("offset", ctypes.c_int64),
        ("per", ctypes.c_int64), ("width", ctypes.c_int64),
    )  # fmt: skip


def stored(where: Where, encoding: Encoding, kernel: Any = None) -> Stored:
    """Values in `encoding` at `where`, which `kernel`, a function of the library, decodes or encodes."""
    address = None if kernel is None else ctypes.cast(kernel, ctypes.c_void_p)
    if isinstance(where, Place):
        return Stored(address, None, where.fd, where.offset, encoding.block, encoding.nbytes)
    return Stored(address, where.ctypes.data, 0, 0, encoding.block, encoding.nbytes)


def batch(most: int) -> int:
    """Values to read at a time where `most` may be held."""
    return max(1, min(_READ, most) // STEP) * STEP


@cache
def _alike() -> Callable[..., int] | None:
    lib = loaded()
    if lib is None:
        return None
    function: Any = lib.hub_alike
    function.restype = ctypes.c_int64
    function.argtypes = [ctypes.POINTER(Stored)] * 2 + [ctypes.c_int64] * 2
    return function  # type: ignore[no-any-return]  # as it was typed above


def alike(a: Place, b: Place, nbytes: int, most: int) -> bool | None:
    """Whether `nbytes` bytes at two places are the same; None where others must say: no library, or no such bytes.

    About `most` bytes are held at a time.
    """
    function = _alike()
    if function is None:
        return None
    sides = (Stored(None, None, *place, 1, 1) for place in (a, b))
    answer = function(*sides, nbytes, batch(most))
    return None if answer < 0 else bool(answer)
