"""C's own files, for the one call of llama.cpp that takes a file at a position instead of a name."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.errors import HubError, UnsupportedFile


@contextmanager
def opened_at(path: Path, offset: int) -> Iterator[ctypes.c_void_p]:
    """The file at `path` as a `FILE *` that stands at byte `offset`, open for the block. `HubError` when it cannot be.

    llama.cpp maps the whole file, lets go of what lies around the model, and needs the `FILE *` no more once it loaded.
    """
    if os.name == "nt":
        raise UnsupportedFile("a model inside a larger file is loaded on Linux and macOS alone", file=path)
    c = ctypes.CDLL(None, use_errno=True)
    c.fopen.argtypes, c.fopen.restype = [ctypes.c_char_p, ctypes.c_char_p], ctypes.c_void_p
    c.fseeko.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]  # off_t is as wide on all 64-bit systems
    c.fclose.argtypes = [ctypes.c_void_p]
    file = c.fopen(os.fsencode(path), b"rb")
    if not file:
        raise HubError(f"cannot be opened: {os.strerror(ctypes.get_errno())}", file=path)
    try:
        if c.fseeko(file, offset, os.SEEK_SET):
            raise HubError(f"cannot be read: {os.strerror(ctypes.get_errno())}", file=path, offset=offset)
        yield ctypes.c_void_p(file)
    finally:
        c.fclose(file)
