"""A named array of any encoding, not read until asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from hub.errors import DamagedFile
from hub.ir._encoding import Encoding
from hub.ir._rows import Bytes, Change, File, FileRows, Index, MemoryRows, Rows, joined, transposed


@dataclass(frozen=True, slots=True)
class Tensor:
    """`name`, `shape` (row-major, outermost first), `encoding`, and the `rows` its bytes come from."""

    name: str
    shape: tuple[int, ...]
    encoding: Encoding
    rows: Rows

    def __post_init__(self) -> None:
        n, columns = self.encoding.grid(self.shape)
        if (n, self.encoding.row_nbytes(columns)) != (self.rows.n, self.rows.width) and self.nbytes:
            raise DamagedFile(
                f"shape {list(self.shape)} in {self.encoding} takes {self.encoding.size(self.shape)} bytes, "
                f"{self.rows.nbytes} are stored",
                tensor=self.name,
            )

    @classmethod
    def from_file(cls, name: str, shape: Sequence[int], encoding: Encoding, file: File, offset: int) -> Tensor:
        """A tensor whose bytes lie in `file` from byte `offset`; `DamagedFile` for a shape that is none.

        Nothing is read. A file that is too short is found when the bytes are used.
        """
        if not all(type(n) is int and n >= 0 for n in shape):
            raise DamagedFile(f"{list(shape)} is no shape", file=file.path, tensor=name)
        n, columns = encoding.grid(tuple(shape))
        return cls(name, tuple(shape), encoding, FileRows(file, offset, n, encoding.row_nbytes(columns)))

    @classmethod
    def from_bytes(cls, name: str, shape: Sequence[int], encoding: Encoding, data: bytes | Bytes) -> Tensor:
        """A tensor whose bytes are in memory; `DamagedFile` when their number does not fit."""
        n, columns = encoding.grid(tuple(shape))
        flat = np.frombuffer(data, np.uint8)
        width = encoding.row_nbytes(columns)
        if flat.size != n * width or n > sys.maxsize:
            raise DamagedFile(f"{n * width} bytes were expected, {flat.size} are there", tensor=name)
        return cls(name, tuple(shape), encoding, MemoryRows(flat.reshape(n, width)))

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in this encoding."""
        return self.encoding.size(self.shape)

    @property
    def columns(self) -> int:
        """Values in a stored row."""
        return self.encoding.grid(self.shape)[1]

    @property
    def change(self) -> Change:
        """What reading these rows does to the bytes they are stored as."""
        return self.rows.change

    def named(self, name: str) -> Tensor:
        """The same tensor under another name."""
        return replace(self, name=name)

    def reshaped(self, *shape: int) -> Tensor:
        """The same rows under another shape; the last dimension must stay for encodings with rows."""
        return replace(self, shape=tuple(shape))

    def take(self, index: Index) -> Tensor:
        """The slices along the first dimension that `index` names, in its order."""
        inner = prod(self.shape[1:-1])
        if self.encoding.flat or len(self.shape) < 2:
            return self._take_values(index)
        rows = index if inner == 1 else (index[:, None] * inner + np.arange(inner)).reshape(-1)
        return replace(self, shape=(len(index), *self.shape[1:]), rows=self.rows.take(rows))

    def slice(self, start: int, stop: int) -> Tensor:
        """Slices `start` to `stop` of the first dimension."""
        if self.encoding.flat or len(self.shape) < 2:
            return self._take_values(np.arange(start, stop, dtype=np.int64))
        inner = prod(self.shape[1:-1])
        return replace(self, shape=(stop - start, *self.shape[1:]), rows=self.rows.slice(start * inner, stop * inner))

    def transposed(self) -> Tensor:
        """The matrix transpose; only encodings with one value per block have one."""
        if self.encoding.block != 1 or self.encoding.flat or len(self.shape) != 2:
            raise ValueError(f"{self.name}: {self.encoding} of shape {self.shape} has no transpose by moving elements")
        return replace(self, shape=self.shape[::-1], rows=transposed(self.rows, self.encoding.nbytes))

    def in_blocks(self) -> Tensor:
        """A stored vector as rows of one block each, so that a part of it can be read; others as they are."""
        rows, block, width = self.rows, self.encoding.block, self.encoding.nbytes
        if self.encoding.flat or rows.n != 1 or self.columns % block:
            return self
        n = self.columns // block
        if isinstance(rows, FileRows):
            return replace(self, shape=(n, block), rows=FileRows(rows.file, rows.offset, n, width))
        if isinstance(rows, MemoryRows):
            return replace(self, shape=(n, block), rows=MemoryRows(rows.data.reshape(n, width)))
        return self

    def pieces(self, values: int = 1 << 18) -> Iterator[tuple[int, int]]:
        """Row ranges of about `values` values each that cover the tensor in order."""
        step = max(1, values // max(1, self.columns))
        for start in range(0, self.rows.n if self.nbytes else 0, step):
            yield start, min(self.rows.n, start + step)

    def read(self) -> bytes:
        """All bytes, in this encoding."""
        return self.rows.read().tobytes()

    def _take_values(self, index: Index) -> Tensor:
        if self.encoding.block != 1 or self.encoding.header:
            raise ValueError(f"{self.name}: {self.encoding} cannot be cut between values")
        column = transposed(self.rows, self.encoding.nbytes).take(index)
        return replace(self, shape=(len(index),), rows=transposed(column, self.encoding.nbytes))


def concatenated(name: str, tensors: Sequence[Tensor]) -> Tensor:
    """Tensors of one encoding joined along the first dimension."""
    first = tensors[0]
    if any(t.encoding != first.encoding or t.shape[1:] != first.shape[1:] for t in tensors):
        raise ValueError(f"{name}: parts differ in encoding or inner shape")
    if len(first.shape) == 1 and len(tensors) > 1:
        columns = [transposed(t.rows, t.encoding.nbytes) for t in tensors]
        rows = transposed(joined(columns), first.encoding.nbytes)
    else:
        rows = joined([t.rows for t in tensors])
    return Tensor(name, (sum(t.shape[0] for t in tensors), *first.shape[1:]), first.encoding, rows)


def stacked(name: str, tensors: Sequence[Tensor]) -> Tensor:
    """Tensors of one shape and encoding stacked along a new first dimension."""
    return concatenated(name, [t.reshaped(1, *t.shape) for t in tensors])


def by_name(tensors: Iterable[Tensor], file: Path | str | None = None) -> dict[str, Tensor]:
    """`tensors` by name, in their order; `DamagedFile` when two have one name."""
    found: dict[str, Tensor] = {}
    for tensor in tensors:
        if tensor.name in found:
            raise DamagedFile("holds two tensors of one name", file=file, tensor=tensor.name)
        found[tensor.name] = tensor
    return found
