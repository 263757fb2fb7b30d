"""Which of the formats named `.apr` a file is, and opening it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from hub.errors import DamagedFile, UnsupportedFile
from hub_apr.container import _header, _legacy, _v1
from hub_apr.container._header import MAGIC, MAGIC_APR2, Flags, checksum_fits, parse_header
from hub_apr.container._image import FileImage, Image, MemoryImage
from hub_apr.container._legacy import Legacy, open_apr1, open_whisper
from hub_apr.container._metadata import parse_metadata
from hub_apr.container._unpack import check_size, lz4_block, zstd_frame
from hub_apr.container._v1 import V1, open_v1
from hub_apr.container._v2 import Container, metadata_bytes, open_container

_SOLVER = b"\x01\0\0\0\0PST"
_ZSTD = b"\x28\xb5\x2f\xfd"
_PREFIX = 9  # of the wrapper: magic, compression, length

Opened: TypeAlias = Container | V1 | Legacy


class Dialect(StrEnum):
    """The layouts that carry the name APR."""

    V2 = "APR v2"
    V1 = "APR v1"
    APR2 = "APR2"
    APR1 = "APR1"
    WHISPER = "whisper.apr"
    WRAPPED = "compressed APR1"
    SOLVER = "aprender-tsp"


def tell(head: bytes) -> Dialect | None:
    r"""The dialect of a file whose first bytes (64 or more, unless it is shorter) are `head`; None when none.

    `APR\0` is shared by three layouts. The checksum decides for v2; what fits no other layout is a damaged v2.
    """
    if head[:4] == _v1.MAGIC:
        return Dialect.V1
    if head[:4] == MAGIC_APR2:
        return Dialect.APR2
    if head[:4] == _legacy.MAGIC:
        return Dialect.APR1 if head[8:9] == b"{" else Dialect.WHISPER
    if head[:4] != MAGIC:
        return None
    if checksum_fits(head):
        return Dialect.V2
    if head[4:12] == _SOLVER:
        return Dialect.SOLVER
    return Dialect.WRAPPED if _wraps(head) else Dialect.V2


def _wraps(head: bytes) -> bool:
    """True when a compressed APR1 file seems to follow: a stored one, an LZ4 block starting with it, a zstd frame."""
    rest = head[_PREFIX:]
    starts = {0: rest[:4] == _legacy.MAGIC, 1: _legacy.MAGIC in rest[5:24], 2: rest[:4] == _ZSTD}
    return starts.get(head[4], False) if len(head) > _PREFIX else False


def open_any(path: Path) -> Opened:
    """Open `path`, whatever dialect it is.

    `UnsupportedFile` for a solver file, `DamagedFile` for anything that breaks its own dialect.
    """
    image = FileImage(path)
    head = image.read(0, min(_header.SIZE, image.size))
    match tell(head):
        case Dialect.V1:
            return open_v1(image)
        case Dialect.APR2:
            return open_container(image, MAGIC_APR2)
        case Dialect.APR1:
            return open_apr1(image)
        case Dialect.WHISPER:
            return open_whisper(image)
        case Dialect.WRAPPED:
            return open_apr1(_unwrapped(image, head))
        case Dialect.SOLVER:
            raise UnsupportedFile("a solution of the solver aprender-tsp, not a model", file=path)
        case _:
            return _open_v2(image, head)


def _open_v2(image: Image, head: bytes) -> Container:
    header = parse_header(head, image.path)
    packed = header.flags & (Flags.LZ4_COMPRESSED | Flags.ZSTD_COMPRESSED)
    if packed and not _readable(image, head):
        return open_container(_inflated(image, head, packed))
    return open_container(image)


def _readable(image: Image, head: bytes) -> bool:
    """True when the metadata lies in the file as it is: the compression flags alone mean nothing."""
    header = parse_header(head, image.path)
    try:
        parse_metadata(metadata_bytes(image, header), image.path, header.metadata_offset, typed=False)
    except DamagedFile:
        return False
    return True


def _inflated(image: Image, head: bytes, packed: int) -> Image:
    """The image that realizar packs whole: everything behind the header is one LZ4 block or zstd frame."""
    rest = image.read(_header.SIZE, image.size - _header.SIZE)
    unpack = lz4_block if packed & Flags.LZ4_COMPRESSED else zstd_frame
    return MemoryImage(image.path, head[: _header.SIZE] + unpack(rest, image.path, _header.SIZE))


def _unwrapped(image: Image, head: bytes) -> Image:
    size, rest = int.from_bytes(head[5:_PREFIX], "little"), image.read(_PREFIX, image.size - _PREFIX)
    unpack = {1: lz4_block, 2: zstd_frame}.get(head[4])
    if unpack is not None:
        return MemoryImage(image.path, unpack(rest, image.path, _PREFIX, size))
    check_size(len(rest), size, image.path, _PREFIX)
    return MemoryImage(image.path, rest)
