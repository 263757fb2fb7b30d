"""Where everything of a file to be written goes, and the header's bytes.

Tensors follow one another, each padded to the alignment, as llama.cpp demands; the last one is padded too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import pack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.errors import HubError
from hub.ir import Tensor
from hub_gguf.container._types import (
    CODES,
    DEFAULT_ALIGNMENT,
    MAGIC,
    MAX_ALIGNMENT,
    STRUCTS,
    TYPE_IDS,
    ValueType,
    is_alignment,
)
from hub_gguf.container._values import NumberArray, StringArray, Value


@dataclass(frozen=True, slots=True)
class Layout:
    """The `header` with its padding, the byte each tensor starts at, and the size of the whole file."""

    header: bytes
    offsets: tuple[int, ...]
    size: int


def layout(keys: Mapping[str, Value], tensors: Sequence[Tensor], version: int = 3) -> Layout:
    """The layout of a little-endian file that holds `keys` and `tensors` in their order.

    The alignment is what the key `general.alignment` says, 32 without it. `HubError` names a key whose value does not
    fit its type.
    """
    alignment = _alignment(keys)
    relative, at = [], 0
    for tensor in tensors:
        relative.append(at)
        at += _padded(tensor.nbytes, alignment)
    out = bytearray(MAGIC + pack("<IQQ", version, len(tensors), len(keys)))
    for key, value in keys.items():
        out += encode_key(key, value)
    for tensor, offset in zip(tensors, relative, strict=True):
        out += _entry(tensor, offset)
    out += bytes(_padded(len(out), alignment) - len(out))
    return Layout(bytes(out), tuple(len(out) + offset for offset in relative), len(out) + at)


def _alignment(keys: Mapping[str, Value]) -> int:
    value = keys.get("general.alignment", Value(ValueType.UINT32, DEFAULT_ALIGNMENT))
    if value.type is not ValueType.UINT32 or not is_alignment(value.data):
        raise HubError(f"general.alignment is {value.data!r}; a power of two up to {MAX_ALIGNMENT} was expected")
    return int(value.data)


def encode_key(key: str, value: Value) -> bytes:
    """A key with its value as they stand in a header; `HubError` when the value does not fit its type."""
    try:
        return b"".join((_text(key), pack("<I", value.type), *_encode(value)))
    except (AttributeError, OverflowError, TypeError, ValueError, struct.error) as error:
        raise HubError(f"key {key!r}: a value does not fit {value.type.name} {value.item or ''}: {error}") from error


def encode_items(value: Value) -> bytes:
    """An array's elements as they stand in a header, without type and length."""
    if value.item is None:
        raise ValueError(f"a {value.type.name} is not an array")
    if isinstance(value.data, NumberArray | StringArray):
        return value.data.raw
    if value.item is ValueType.ARRAY:
        return b"".join(part for inner in value.data for part in _encode(inner))
    if value.item is ValueType.STRING:
        return b"".join(map(_text, value.data))
    return np.asarray(value.data, np.dtype(CODES[value.item]).newbyteorder("<")).tobytes()


def decode_items(item: ValueType, data: bytes) -> NDArray[Any]:
    """The numbers or booleans of type `item` in `data`, which `encode_items` made; `ValueError` when it was not."""
    return np.frombuffer(data, np.dtype(CODES[item]).newbyteorder("<"))


def _encode(value: Value) -> Iterator[bytes]:
    if value.item is not None:
        yield pack("<IQ", value.item, len(value.data))
        yield encode_items(value)
    elif value.type is ValueType.STRING:
        yield _text(value.data)
    else:
        yield pack("<" + STRUCTS[value.type], value.data)


def _text(text: str) -> bytes:
    data = text.encode()
    return pack("<Q", len(data)) + data


def _entry(tensor: Tensor, offset: int) -> bytes:
    sizes = tuple(reversed(tensor.shape))
    numbers: tuple[Any, ...] = (len(sizes), *sizes, TYPE_IDS[tensor.encoding.name], offset)
    return _text(tensor.name) + pack(f"<I{len(sizes)}QIQ", *numbers)


def _padded(n: int, alignment: int) -> int:
    return -(-n // alignment) * alignment
