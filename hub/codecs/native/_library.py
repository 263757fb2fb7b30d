"""The library of the compiled kernels, loaded once."""

from __future__ import annotations

import ctypes
from functools import cache

from hub.codecs.native._build import library


@cache
def loaded() -> ctypes.CDLL | None:
    """The library that was built from these sources; None where there is none that this machine loads."""
    path = library()
    if not path.exists():
        return None
    try:
        return ctypes.CDLL(str(path))
    except OSError:  # built for another machine
        return None
