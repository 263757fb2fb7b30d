"""Kernels of our own, compiled when the hub is installed where a C++ compiler is; the sources lie in src/.

They do what the NumPy codecs do, many sub-blocks at a time, and leave to those every block that holds an infinity, a
NaN or a scale at the edge of float32: the same bits come out of both.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.codecs.native._codec import Compiled, compiled
from hub.codecs.native._strings import skip_strings
from hub.codecs.native._sums import Sums, sums
from hub.hookspecs import hookimpl
from hub.interface import Codec

__all__ = ["Compiled", "Sums", "compiled", "hub_provides", "skip_strings", "sums"]


@hookimpl
def hub_provides() -> Sequence[Codec]:
    """The compiled codec, where its library is there."""
    made = compiled()
    return () if made is None else (made,)
