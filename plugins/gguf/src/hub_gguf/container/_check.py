"""Checks of the index: shapes that fit their encoding, bytes that lie in the file and belong to one tensor."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from hub.errors import DamagedFile
from hub.ir import Encoding
from hub_gguf.container._cursor import Cursor
from hub_gguf.container._header import Header, TensorInfo

MOST = (1 << 63) - 1


def check_shape(cursor: Cursor, name: str, shape: tuple[int, ...], encoding: Encoding, at: int) -> None:
    """`DamagedFile` unless `shape` is countable in 63 bits and its rows are whole blocks."""
    columns = shape[-1] if shape else 1
    if columns % encoding.block:
        raise cursor.damaged(
            f"tensor {name!r} has rows of {columns} values, {encoding} needs a multiple of {encoding.block}", at
        )
    if prod(max(1, size) for size in shape) > MOST or encoding.size(shape) > MOST:
        raise cursor.damaged(f"tensor {name!r} has shape {list(shape)}, which no file can hold", at)


def check_alignment(header: Header) -> None:
    """`DamagedFile` unless every tensor begins at a multiple of the alignment."""
    for info in header.tensors:
        start = info.offset - header.data_start
        if start % header.alignment:
            raise _wrong(header, info, f"is at offset {start}, a multiple of {header.alignment} was expected")


def check_placement(header: Header) -> None:
    """`DamagedFile` unless every tensor is within the file and overlaps no other."""
    for info in header.tensors:
        if info.offset + info.nbytes > header.file.size:
            end = info.offset + info.nbytes
            raise _wrong(header, info, f"ends at byte {end}, the file has {header.file.size}")
    filled = sorted((i for i in header.tensors if i.nbytes), key=lambda i: i.offset)
    for before, after in pairwise(filled):
        if before.offset + before.nbytes > after.offset:
            raise _wrong(header, after, f"begins at byte {after.offset}, inside {before.name!r}")


def _wrong(header: Header, info: TensorInfo, message: str) -> DamagedFile:
    return DamagedFile(message, file=header.file.path, offset=info.entry, tensor=info.name)
