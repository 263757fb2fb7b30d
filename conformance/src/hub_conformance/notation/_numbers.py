"""Numbers of a tensor as JSON values, exactly: integers as they are, floats in hexadecimal.

A float is a string as C's %a writes it ("0x1.8p+1", "-0x0p+0"), "inf", "-inf", or "nan(0x7fc00001)" with all bits of
the value in its own encoding. A JSON number that the encoding holds exactly will do as well.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from typing import TypeAlias

from hub.ir import Encoding

Number: TypeAlias = "int | float | str | bool"

_NAN = re.compile(r"nan\(0x([0-9a-f]+)\)\Z")
_FLOATS = {"F64": "<d", "F32": "<f", "F16": "<e"}
_INTEGERS = {
    "I8": "<b", "I16": "<h", "I32": "<i", "I64": "<q", "U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q", "BOOL": "<?",
}  # fmt: skip
WRITABLE = frozenset({*_FLOATS, *_INTEGERS, "BF16"})


def to_bytes(encoding: Encoding, numbers: Iterable[Number]) -> bytes:
    """The numbers one after another; `ValueError` for one that the encoding does not hold exactly."""
    return b"".join(_packed(encoding, number) for number in numbers)


def from_bytes(encoding: Encoding, data: bytes) -> list[Number]:
    """The numbers that `data` holds, as `to_bytes` takes them."""
    return list(_unpacked(encoding, data))


def _packed(encoding: Encoding, number: Number) -> bytes:
    name = encoding.name
    if name in _INTEGERS:
        return _packed_integer(encoding, number)
    bits = _NAN.match(number) if isinstance(number, str) else None
    if bits:
        return int(bits[1], 16).to_bytes(encoding.nbytes, "little")
    value = float.fromhex(number) if isinstance(number, str) else float(number)
    packed = struct.pack("<f", value)[2:] if name == "BF16" else struct.pack(_FLOATS[name], value)
    back = _float(name, packed)
    if back != value or isnan(value):
        raise ValueError(f"{number!r} is no value of {encoding}")
    return packed


def _packed_integer(encoding: Encoding, number: Number) -> bytes:
    if type(number) is not (bool if encoding.name == "BOOL" else int):
        raise ValueError(f"{number!r} is no value of {encoding}")
    try:
        return struct.pack(_INTEGERS[encoding.name], number)
    except struct.error as error:
        raise ValueError(f"{number!r} is no value of {encoding}") from error


def _float(name: str, data: bytes) -> float:
    raw = (b"\0\0" + data) if name == "BF16" else data
    return float(struct.unpack(_FLOATS.get(name, "<f"), raw)[0])


def _unpacked(encoding: Encoding, data: bytes) -> Iterator[Number]:
    for at in range(0, len(data), encoding.nbytes):
        piece = data[at : at + encoding.nbytes]
        if encoding.name in _INTEGERS:
            yield struct.unpack(_INTEGERS[encoding.name], piece)[0]
            continue
        value = _float(encoding.name, piece)
        bits = int.from_bytes(piece, "little")
        yield f"nan(0x{bits:0{2 * encoding.nbytes}x})" if isnan(value) else _hex(value)


def _hex(value: float) -> str:
    """`float.hex` without zeros at the end of the fraction."""
    return re.sub(r"\.?0*p", "p", value.hex())


def rows_to_bytes(rows: Sequence[str]) -> bytes:
    """Stored rows in hexadecimal, spaces allowed, one after another."""
    return b"".join(bytes.fromhex(row) for row in rows)


def rows_from_bytes(data: bytes, width: int) -> list[str]:
    """Stored rows of `width` bytes in hexadecimal."""
    return [data[at : at + width].hex() for at in range(0, len(data), width)] if width else []
