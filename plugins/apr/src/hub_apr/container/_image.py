"""Bytes of a container, wherever they are: in a file, or unpacked from one into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from hub.errors import DamagedFile
from hub.ir import File, FileRows, MemoryRows, Rows


class Image(Protocol):
    """`size` bytes that can be read at any position, and the `path` they belong to."""

    @property
    def path(self) -> Path:
        """The file, for messages."""
        ...

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def read(self, offset: int, nbytes: int) -> bytes:
        """Exactly `nbytes` bytes from `offset`; `DamagedFile` when there are fewer."""
        ...

    def rows(self, offset: int, n: int, width: int) -> Rows:
        """`n` rows of `width` bytes from `offset`, not read."""
        ...


class FileImage:
    """A file, read where and when asked."""

    def __init__(self, path: Path) -> None:
        self.file = File(path)
        self.path, self.size = path, self.file.size

    def read(self, offset: int, nbytes: int) -> bytes:
        """See `Image.read`."""
        return self.file.read(offset, nbytes)

    def rows(self, offset: int, n: int, width: int) -> Rows:
        """See `Image.rows`."""
        return FileRows(self.file, offset, n, width)


class MemoryImage:
    """Bytes unpacked from the file `path`."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.size = path, len(data)
        self._data = np.frombuffer(data, np.uint8)

    def read(self, offset: int, nbytes: int) -> bytes:
        """See `Image.read`."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise DamagedFile(
                f"{nbytes} bytes were expected here; {self.size} were unpacked", file=self.path, offset=offset
            )
        return self._data[offset : offset + nbytes].tobytes()

    def rows(self, offset: int, n: int, width: int) -> Rows:
        """See `Image.rows`."""
        return MemoryRows(self._data[offset : offset + n * width].reshape(n, width))
