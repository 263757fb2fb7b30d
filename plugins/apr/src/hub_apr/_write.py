"""Writing what was planned: one file, or shards with their manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from hub.interface import Options, Placement, Plan, Sink
from hub.ir import Tensor
from hub_apr._in_page import page_block
from hub_apr._packing import CODECS, pack_chunks, pack_table, table_size
from hub_apr._plan import Document
from hub_apr._shards import Shard, manifest, manifest_name, shard_name
from hub_apr.container import (
    BY_ENCODING,
    BY_NAME,
    FOOTER,
    SIZE,
    Entry,
    FileImage,
    Flags,
    Header,
    crc32,
    pack_index,
    pack_metadata,
    up64,
)

_SPARE = 512  # more than a header, or an index entry and its padding, takes


@dataclass
class _Part:
    """One file to be: its tensors in the order of their data, and where each lies once that is known."""

    tensors: Sequence[Tensor]
    aliases: Mapping[str, str]
    metadata: bytes
    flags: Flags
    document: Document

    @property
    def index_offset(self) -> int:
        return SIZE + up64(len(self.metadata))

    @cached_property  # asked for once a tensor
    def data_offset(self) -> int:
        return self.index_offset + up64(len(pack_index(self.entries({}))))

    def entries(self, places: Mapping[str, tuple[int, int]]) -> list[Entry]:
        """The index; `places` holds the offset and stored size of each tensor."""
        named = {t.name: self._entry(t, *places.get(t.name, (0, 0))) for t in self.tensors}
        shared = [replace(named[name], name=alias) for alias, name in self.aliases.items() if name in named]
        return [*named.values(), *shared]

    def _entry(self, tensor: Tensor, offset: int, size: int) -> Entry:
        if tensor.name in self.document.packed:
            return Entry(tensor.name, BY_NAME["u8"], (size,), offset, size)
        return Entry(tensor.name, BY_ENCODING[tensor.encoding.name], tensor.shape, offset, size)

    def head(self, places: Mapping[str, tuple[int, int]]) -> bytes:
        """Everything before the data."""
        entries = self.entries(places)
        header = Header(int(self.flags), len(entries), SIZE, len(self.metadata), self.index_offset, self.data_offset)
        front = (header.pack() + self.metadata).ljust(self.index_offset, b"\0")
        return (front + pack_index(entries)).ljust(self.data_offset, b"\0")


def write_plan(plan: Plan, sink: Sink, options: Options) -> None:
    """Write `plan` into `sink`."""
    document: Document = plan.document
    tensors = [p.tensor for p in plan.tensors]
    if document.place is not None:  # one file: the page reads no shards
        path = sink.create()
        metadata = pack_metadata(
            {**document.metadata, **page_block(plan.tensors, document.metadata, path, document.place)}
        )
        _write(_Part(tensors, document.aliases, metadata, document.flags, document), path, sink)
        return
    metadata = pack_metadata(document.metadata)
    groups = _groups(tensors, options.shard_size, up64(len(metadata)) + _SPARE) if options.shard_size else [tensors]
    if len(groups) == 1:
        _write(_Part(tensors, document.aliases, metadata, document.flags, document), sink.create(), sink)
        return
    shards: list[Shard] = []
    for number, group in enumerate(groups):
        told = {"sharding": {"shard_count": len(groups), "shard_index": number, "total_size": 0, "pattern": None}}
        whole = document.metadata if number == 0 else {"model_type": document.metadata["model_type"]}
        part = _Part(
            group, document.aliases, pack_metadata({**whole, **told}), document.flags | Flags.SHARDED, document
        )
        path = sink.create(shard_name(sink.target, number, len(groups)))
        _write(part, path, sink)
        names = sorted(entry.name for entry in part.entries({}))
        shards.append(Shard(path.name, number, path.stat().st_size, names))
    sink.create(manifest_name(sink.target)).write_text(manifest(shards))


def _groups(tensors: Sequence[Tensor], largest: int, metadata: int) -> list[list[Tensor]]:
    """Tensors in order, each group's file at most `largest` bytes; the first holds `metadata` bytes as well.

    Metadata that leaves no room for a tensor takes the first file alone; a tensor larger than a file has one to itself.
    """
    groups: list[list[Tensor]] = [[]]
    held = metadata
    for tensor in tensors:
        size = up64(tensor.nbytes) + 2 * _SPARE
        if held + size > largest:
            groups.append([])
            held = 0
        groups[-1].append(tensor)
        held += size
    return groups


def _write(part: _Part, path: Path, sink: Sink) -> None:
    packed = part.document.packed
    with path.open("r+b") as file:
        places, end = _pack(part, file.fileno(), sink) if packed else _place(part)
        file.truncate(part.data_offset + end)
        file.seek(0)
        file.write(part.head(places))
    plain: list[Placement] = [
        (part.data_offset + places[t.name][0], t) for t in part.tensors if t.name not in packed and t.nbytes
    ]
    sink.copy(path, plain)
    image = FileImage(path)
    checksum = crc32(image, image.size).to_bytes(FOOTER, "little")
    with path.open("ab") as file:
        file.write(checksum)


def _place(part: _Part) -> tuple[dict[str, tuple[int, int]], int]:
    """Offset and size of each tensor one after another, and the end of the data with its padding."""
    places: dict[str, tuple[int, int]] = {}
    end = 0
    for tensor in part.tensors:
        places[tensor.name] = end, tensor.nbytes
        end += up64(tensor.nbytes)
    return places, end


def _pack(part: _Part, fd: int, sink: Sink) -> tuple[dict[str, tuple[int, int]], int]:
    """As `_place`, with the packed tensors written on the way: their sizes are known only then."""
    places: dict[str, tuple[int, int]] = {}
    end = 0
    for tensor in part.tensors:
        size = tensor.nbytes
        if tensor.name in part.document.packed:
            size = _pack_one(tensor, part.document, fd, part.data_offset + end, sink)
        places[tensor.name] = end, size
        end += up64(size)
    return places, end


def _pack_one(tensor: Tensor, document: Document, fd: int, start: int, sink: Sink) -> int:
    """Write one packed tensor at byte `start` of the open file; the bytes it took."""
    marks: list[int] = []
    at = start + table_size(tensor.nbytes)
    os.lseek(fd, at, os.SEEK_SET)
    with os.fdopen(os.dup(fd), "wb") as out:
        codec, planes = document.codec or CODECS[0], document.packed[tensor.name]
        for mark, data in pack_chunks(sink.stream(tensor), codec, planes, sink.jobs):
            marks.append(mark)
            at += out.write(data)
        out.seek(start)
        out.write(pack_table(tensor.nbytes, marks))
    return at - start
