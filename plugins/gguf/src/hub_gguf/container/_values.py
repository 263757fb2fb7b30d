"""Metadata values with their exact types; arrays that stay in the file until somebody looks at them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from hub.errors import DamagedFile
from hub.ir import File
from hub_gguf.container._types import CODES, ValueType

ByteOrder: TypeAlias = Literal["<", ">"]
Make: TypeAlias = Callable[[], list[Any]]


@dataclass(frozen=True, slots=True)
class Value:
    """A metadata value of exact `type`: `data` is an int, float, bool or str, or a sequence when `type` is ARRAY.

    An array's elements are of type `item`; when that is ARRAY too, `data` holds a `Value` for each inner array.
    """

    type: ValueType
    data: Any
    item: ValueType | None = None

    @classmethod
    def array(cls, item: ValueType, data: Sequence[Any] | NDArray[Any]) -> Value:
        """An array whose elements are of type `item`."""
        return cls(ValueType.ARRAY, data, item)

    @property
    def plain(self) -> Any:
        """The value without its type; nested arrays as nested lists, other arrays as sequences."""
        if self.item is ValueType.ARRAY:
            return [inner.plain for inner in self.data]
        return self.data


class LazyArray(Sequence[Any], ABC):
    """A sequence of known length whose elements are decoded when first asked for."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._items: list[Any] | None = None

    @abstractmethod
    def decode(self) -> list[Any]:
        """All elements as a new list."""

    @property
    def items(self) -> list[Any]:
        """All elements, decoded once."""
        if self._items is None:
            self._items = self.decode()
        return self._items

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, at: int) -> Any: ...

    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...

    def __getitem__(self, at: int | slice) -> Any:
        return self.items[at]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and self.items == list(other)

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have no hash either


class NumberArray(LazyArray):
    """Numbers or booleans in `file` from byte `offset`. `array` gives them as NumPy, `raw` as little-endian bytes."""

    def __init__(self, file: File, offset: int, n: int, item: ValueType, order: ByteOrder) -> None:
        super().__init__(n)
        self.file, self.offset, self._dtype = file, offset, np.dtype(CODES[item]).newbyteorder(order)

    def array(self) -> NDArray[Any]:
        """The elements, little-endian, as a one-dimensional array."""
        data = self.file.read(self.offset, self._n * self._dtype.itemsize)
        if self._dtype == np.bool_ and data.translate(None, b"\0\1"):
            raise DamagedFile("a boolean of an array is not 0 or 1", file=self.file.path, offset=self.offset)
        return np.frombuffer(data, self._dtype).astype(self._dtype.newbyteorder("<"))

    @property
    def raw(self) -> bytes:
        """The elements as little-endian bytes."""
        return self.array().tobytes()

    def decode(self) -> list[Any]:
        return self.array().tolist()  # type: ignore[no-any-return]  # a list, for one dimension


class StringArray(LazyArray):
    """Strings in a file, from byte `offset` to `end`, each after its length in 8 bytes."""

    def __init__(self, file: File, offset: int, end: int, n: int, order: ByteOrder) -> None:
        super().__init__(n)
        self._file, self._offset, self._end, self._order = file, offset, end, order

    @property
    def raw(self) -> bytes:
        """The strings as they stand in a little-endian header, each after its length."""
        if self._order == "<":
            return self._file.read(self._offset, self._end - self._offset)
        encoded = [text.encode() for text in self.items]
        return b"".join(len(text).to_bytes(8, "little") + text for text in encoded)

    def decode(self) -> list[Any]:
        data = self._file.read(self._offset, self._end - self._offset)
        unpack, at, out = Struct(self._order + "Q").unpack_from, 0, []
        try:
            for _ in range(self._n):
                start = at + 8
                at = start + unpack(data, at)[0]
                out.append(data[start:at].decode())
        except UnicodeDecodeError:
            raise self._bad(data[start:at], start, len(out)) from None
        return out

    def _bad(self, text: bytes, at: int, index: int) -> DamagedFile:
        return DamagedFile(
            f"string {index} of an array is not UTF-8: {text[:32]!r}", file=self._file.path, offset=self._offset + at
        )


class NestedArray(LazyArray):
    """Arrays in an array; `make` gives a `Value` for each."""

    def __init__(self, n: int, make: Make) -> None:
        super().__init__(n)
        self._make = make

    def decode(self) -> list[Any]:
        return self._make()
