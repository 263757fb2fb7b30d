"""Decompression with bounds: never more bytes than announced, nothing allocated on an announcement alone."""

from __future__ import annotations

from pathlib import Path

from hub.errors import DamagedFile

LARGEST = 1 << 30  # what the format's own v1 reader allows
_LZ4_BEST = 255  # no LZ4 block expands more than this
_STEP = 1 << 20
_ZSTD_FREE = 64 << 20  # beyond so many bytes a frame, too, is taken to expand no more than LZ4 does


def lz4_block(data: bytes, path: Path, offset: int, expected: int | None = None) -> bytes:
    """A u32 length and one raw LZ4 block (not the LZ4 frame format), unpacked.

    `DamagedFile` when the block is not that long, when no block of its size could be, or when it is not `expected`.
    """
    import lz4.block

    if len(data) < 4:
        raise DamagedFile("an LZ4 block with its length was expected", file=path, offset=offset)
    size = int.from_bytes(data[:4], "little")
    check_size(size, expected, path, offset)
    if size > (len(data) - 4) * _LZ4_BEST:
        raise DamagedFile(
            f"an LZ4 block of {len(data) - 4} bytes cannot hold the {size} that are announced", file=path, offset=offset
        )
    try:
        out: bytes = lz4.block.decompress(data[4:], uncompressed_size=size)
    except lz4.block.LZ4BlockError as error:
        raise DamagedFile(f"the LZ4 block is damaged: {error}", file=path, offset=offset + 4) from None
    check_size(len(out), size, path, offset)
    return out


def zstd_frame(data: bytes, path: Path, offset: int, expected: int | None = None) -> bytes:
    """A zstd frame, unpacked piece by piece; `DamagedFile` when it is longer than 1 GiB or not `expected`.

    A frame's repeated blocks expand 32,000-fold, so what a small file can cost is bounded by its size too.
    """
    import zstandard

    most = min(LARGEST, _ZSTD_FREE + _LZ4_BEST * len(data))
    limit = most if expected is None else expected
    _bounded(limit, most, len(data), path, offset)
    out = bytearray()
    try:
        with zstandard.ZstdDecompressor().stream_reader(data) as reader:
            while piece := reader.read(min(_STEP, limit + 1 - len(out))):
                out += piece
                if len(out) > limit:
                    break
    except zstandard.ZstdError as error:
        raise DamagedFile(f"the zstd frame is damaged: {error}", file=path, offset=offset) from None
    _bounded(len(out), most, len(data), path, offset)
    check_size(len(out), expected, path, offset)
    return bytes(out)


def _bounded(size: int, most: int, stored: int, path: Path, offset: int) -> None:
    if size > most:
        message = f"a zstd frame of {stored} bytes is unpacked to at most {most}, it claims {size} or more"
        raise DamagedFile(message, file=path, offset=offset)


def check_size(size: int, expected: int | None, path: Path, offset: int) -> None:
    """`DamagedFile` when `size` unpacked bytes are over 1 GiB or not `expected`."""
    if size > LARGEST:
        raise DamagedFile(f"{size} unpacked bytes are announced, at most {LARGEST} are read", file=path, offset=offset)
    if expected is not None and size != expected:
        raise DamagedFile(f"{expected} unpacked bytes were expected, more or fewer are there", file=path, offset=offset)
