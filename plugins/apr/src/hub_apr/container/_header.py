"""The 64 bytes at the start of an APR v2 file."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

from hub.errors import DamagedFile, UnsupportedFile

SIZE = 64
MAGIC = b"APR\0"
MAGIC_APR2 = b"APR2"
VERSION = (2, 0)

# magic, major, minor, flags, tensors, metadata offset and size, index offset, data offset, checksum, reserved
_LAYOUT = struct.Struct("<4sBBHIQIQQI20s")
_CHECKSUM = slice(40, 44)


class Flags(IntFlag):
    """Header flags. Readers look at LAYOUT_COLUMN_MAJOR alone; the rest informs."""

    LZ4_COMPRESSED = 0x0001
    ZSTD_COMPRESSED = 0x0002
    ENCRYPTED = 0x0004
    SIGNED = 0x0008
    SHARDED = 0x0010
    QUANTIZED = 0x0020
    HAS_FILTERBANK = 0x0040
    HAS_MODEL_CARD = 0x0080
    STREAMING = 0x0100
    HAS_VOCAB = 0x0200
    LAYOUT_ROW_MAJOR = 0x0400
    LAYOUT_COLUMN_MAJOR = 0x0800

    @property
    def names(self) -> list[str]:
        """Names of the flags that are set, lowest bit first; bits without a name are left out."""
        return [flag.name for flag in Flags if flag in self and flag.name]


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of an APR v2 header; offsets count from the start of the file."""

    flags: int
    tensor_count: int
    metadata_offset: int
    metadata_size: int
    tensor_index_offset: int
    data_offset: int
    version: tuple[int, int] = VERSION
    reserved: bytes = bytes(20)
    magic: bytes = MAGIC

    @property
    def checksum(self) -> int:
        """CRC-32 of the header's other 60 bytes."""
        return checksum(self._pack(0))

    def pack(self) -> bytes:
        """The 64 bytes, with their checksum."""
        return self._pack(self.checksum)

    def _pack(self, crc: int) -> bytes:
        return _LAYOUT.pack(
            self.magic, *self.version, self.flags, self.tensor_count, self.metadata_offset, self.metadata_size,
            self.tensor_index_offset, self.data_offset, crc, self.reserved,
        )  # fmt: skip


def checksum(head: bytes) -> int:
    """CRC-32 of the 60 bytes of a header around its checksum field."""
    return zlib.crc32(head[44:SIZE], zlib.crc32(head[:40]))


def checksum_fits(head: bytes) -> bool:
    """True when the checksum stored in `head` is that of its other bytes."""
    return len(head) >= SIZE and int.from_bytes(head[_CHECKSUM], "little") == checksum(head)


def parse_header(head: bytes, path: Path, magic: bytes = MAGIC) -> Header:
    """The header in the first 64 bytes of `path`.

    Refused, in this order: fewer than 64 bytes, another magic, a wrong checksum (`DamagedFile`), column-major data
    (`UnsupportedFile`). Version and reserved bytes may be anything, as every reader of the format has it.
    """
    if len(head) < SIZE:
        raise DamagedFile(f"has {len(head)} bytes; an APR header takes {SIZE}", file=path, offset=0)
    if head[:4] != magic:
        raise DamagedFile(f"magic is {head[:4]!r}, {magic!r} was expected", file=path, offset=0)
    if not checksum_fits(head):
        stored = int.from_bytes(head[_CHECKSUM], "little")
        raise DamagedFile(
            f"header checksum is {stored:08x}, {checksum(head):08x} was expected", file=path, offset=_CHECKSUM.start
        )
    found, major, minor, flags, count, meta, size, index, data, _, reserved = _LAYOUT.unpack(head[:SIZE])
    if flags & Flags.LAYOUT_COLUMN_MAJOR:
        raise UnsupportedFile(
            "flag LAYOUT_COLUMN_MAJOR is set; tensors must be row-major",
            file=path,
            offset=6,
            hint="convert its source again",
        )
    return Header(flags, count, meta, size, index, data, (major, minor), reserved, found)
