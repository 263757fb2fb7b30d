"""What a GGUF file says before its tensors' bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.ir import Encoding, File
from hub_gguf.container._values import ByteOrder, Value


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor of the index: `shape` is row-major, outermost first; its bytes start at `offset` of the file.

    `entry` is where the index has it.
    """

    name: str
    shape: tuple[int, ...]
    encoding: Encoding
    offset: int
    entry: int

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return self.encoding.size(self.shape)


@dataclass(frozen=True)
class Header:
    """A file's header: `keys` and `tensors` in file order, byte order ("<" little), where the tensors' bytes start.

    `tensors_start` is where the index of tensors begins, `end` where it ends.
    """

    file: File
    version: int
    order: ByteOrder
    alignment: int
    keys: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    tensors_start: int
    end: int
    data_start: int

    @property
    def plain(self) -> dict[str, Any]:
        """The keys' values without their types; arrays are sequences, decoded when looked at."""
        return {key: value.plain for key, value in self.keys.items()}

    def scalar(self, key: str, kind: type[Any]) -> Any:
        """The value of `key` when it is a `kind`, else None."""
        value = self.keys.get(key)
        return value.data if value is not None and type(value.data) is kind else None
