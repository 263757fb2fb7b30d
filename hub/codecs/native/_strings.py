"""Walking over strings that lie one behind the other, as a header's vocabulary does."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

from hub.codecs.native._library import loaded


@cache
def _function() -> Any:
    lib = loaded()
    if lib is None:
        return None
    function = lib.hub_skip_strings
    function.restype = ctypes.c_int64
    function.argtypes = [
        ctypes.c_char_p, ctypes.c_int64, ctypes.POINTER(ctypes.c_int64), ctypes.c_int64, ctypes.c_uint64, ctypes.c_int
    ]  # fmt: skip
    return function


def skip_strings(data: bytes, at: int, n: int, longest: int, little: bool) -> tuple[int, int]:
    """Step over up to `n` strings in `data` from byte `at` on, each after its length in 8 bytes.

    How many of them end within `data` and are at most `longest` bytes long, and where the next one begins: (0, `at`)
    where the library is not there.
    """
    function = _function()
    if function is None:
        return 0, at
    place = ctypes.c_int64(at)
    swap = little != (sys.byteorder == "little")
    return function(data, len(data), ctypes.byref(place), n, longest, swap), place.value
