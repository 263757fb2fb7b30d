"""What a native library needs of the system: shared libraries and the version of glibc, read from its ELF tables."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5
_GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)")


def needed(data: bytes) -> list[str]:
    """Names of the libraries that a 64-bit little-endian ELF file asks for (DT_NEEDED); none for anything else."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    segments = list(_segments(data))
    dynamic = next((s for s in segments if s[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        return []
    entries = list(_dynamic(data, dynamic[1], dynamic[3]))
    table = next((value for tag, value in entries if tag == _DT_STRTAB), 0)
    start = next((table - at + offset for kind, offset, at, size in segments if _holds(kind, at, size, table)), table)
    return [_string(data, start + value) for tag, value in entries if tag == _DT_NEEDED]


def glibc(data: bytes) -> tuple[int, int]:
    """The newest version of glibc whose symbols the library asks for; (0, 0) when it names none."""
    return max(((int(a), int(b)) for a, b in _GLIBC.findall(data)), default=(0, 0))


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Kind, offset, address and size of each program header (elf(5), Elf64_Phdr)."""
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, _, offset, address, _, nbytes = struct.unpack_from("<IIQQQQ", data, start + index * size)
        yield kind, offset, address, nbytes


def _dynamic(data: bytes, offset: int, nbytes: int) -> Iterator[tuple[int, int]]:
    """Tag and value of each entry of the dynamic section (Elf64_Dyn)."""
    for at in range(offset, offset + nbytes, 16):
        tag, value = struct.unpack_from("<qQ", data, at)
        if tag == _DT_NULL:
            return
        yield tag, value


def _holds(kind: int, address: int, size: int, wanted: int) -> bool:
    return kind == _PT_LOAD and address <= wanted < address + size


def _string(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode("ascii", "replace")
