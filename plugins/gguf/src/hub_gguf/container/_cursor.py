"""A bounds-checked walk over a file's header, through a window that never holds more than it must."""

from __future__ import annotations

from struct import Struct
from typing import Any

from hub.codecs.native import skip_strings
from hub.errors import DamagedFile
from hub.ir import File
from hub_gguf.container._types import SIZES, STRUCTS, ValueType
from hub_gguf.container._values import ByteOrder

WINDOW = 1 << 18
# Far above what models hold, low enough that a damaged length can neither keep the walk busy nor fill the memory.
MAX_STRINGS = 1 << 22
MAX_STRING = 1 << 24
MAX_SPAN = 1 << 28


class Cursor:
    """Reads from byte `at` of `file` on. Every length is compared with what the file still holds before it is used."""

    def __init__(self, file: File, at: int = 0, order: ByteOrder = "<") -> None:
        self.file, self.at = file, at
        self._window, self._start = b"", at
        self.use(order)

    def use(self, order: ByteOrder) -> None:
        """Read numbers in byte order `order` from here on."""
        self.order: ByteOrder = order
        self._structs = {kind: Struct(order + code) for kind, code in STRUCTS.items()}
        self._length = self._structs[ValueType.UINT64]

    @property
    def left(self) -> int:
        """Bytes between here and the end of the file."""
        return self.file.size - self.at

    def damaged(self, message: str, at: int | None = None) -> DamagedFile:
        """The error `message` at byte `at`, or here."""
        return DamagedFile(message, file=self.file.path, offset=self.at if at is None else at)

    def bytes(self, n: int, what: str) -> bytes:
        """The next `n` bytes; `what` names them in the error."""
        if n > self.left:
            raise self.damaged(f"{what} takes {n} bytes, the file has {self.left} more")
        low = self.at - self._start
        if low < 0 or low + n > len(self._window):
            self._window = self.file.read(self.at, min(self.left, max(n, WINDOW)))
            self._start, low = self.at, 0
        self.at += n
        return self._window[low : low + n]

    def skip(self, n: int, what: str) -> None:
        """Step over `n` bytes without reading them."""
        if n > self.left:
            raise self.damaged(f"{what} takes {n} bytes, the file has {self.left} more")
        self.at += n

    def number(self, kind: ValueType, what: str) -> Any:
        """The next number or boolean of type `kind`."""
        data = self.bytes(SIZES[kind], what)
        if kind is ValueType.BOOL and data[0] > 1:
            raise self.damaged(f"{what} is {data[0]}, a boolean is 0 or 1", self.at - 1)
        return self._structs[kind].unpack(data)[0]

    def count(self, what: str, least: int, most: int | None = None) -> int:
        """A 64-bit count of things that take at least `least` bytes each; above `most` is an error."""
        start = self.at
        n: int = self.number(ValueType.UINT64, what)
        if n * least > self.left:
            raise self.damaged(f"{what} is {n}: at least {n * least} bytes, the file has {self.left} more", start)
        if most is not None and n > most:
            raise self.damaged(f"{what} is {n}, at most {most} were expected", start)
        return n

    def string(self, what: str, longest: int = MAX_STRING) -> str:
        """The next string; a length above `longest` bytes is an error."""
        start = self.at
        n = self.count(f"length of {what}", 1)
        if n > longest:
            raise self.damaged(f"{what} is {n} bytes long, at most {longest} were expected", start)
        data = self.bytes(n, what)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self.damaged(f"{what} is not UTF-8: {data[:32]!r}", start + 8 + error.start) from None

    def skip_strings(self, n: int, what: str) -> None:
        """Step over `n` strings, checking their lengths."""
        if n > MAX_STRINGS:
            raise self.damaged(f"{what} has {n} strings, at most {MAX_STRINGS} were expected")
        unpack, size, first = self._length.unpack_from, self.file.size, self.at
        window, start = self._window, self._start
        low, last = first - start, len(window) - 8
        index = 0
        while index < n:
            if low > last:
                start, low = start + low, 0
                if start + 8 > size or start - first > MAX_SPAN:
                    raise self.damaged(f"string {index} of {what} begins here; the file ends at {size}", start)
                window = self.file.read(start, min(size - start, WINDOW))
                last = len(window) - 8
            done, low = skip_strings(window, low, n - index, MAX_STRING, self.order == "<")
            index += done
            if index == n or low > last:
                continue
            (length,) = unpack(window, low)  # one that ends behind the window, or is damaged
            low += 8 + length
            if length > MAX_STRING or start + low > size:
                message = f"string {index} of {what} is {length} bytes long; the file ends at {size}"
                raise self.damaged(message, start + low - 8 - length)
            index += 1
        self._window, self._start, self.at = window, start, start + low
