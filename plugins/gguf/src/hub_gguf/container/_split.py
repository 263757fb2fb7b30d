"""Files split as llama.cpp's gguf-split does: NAME-00001-of-000NN.gguf, all metadata in the first.

Every part carries `split.no` (from 0), `split.count` and `split.tensors.count` (of all parts together).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hub.errors import DamagedFile
from hub.ir import Tensor
from hub_gguf.container._header import Header
from hub_gguf.container._layout import layout
from hub_gguf.container._reader import read_header
from hub_gguf.container._types import ValueType
from hub_gguf.container._values import Value

NO, COUNT, TENSORS = "split.no", "split.count", "split.tensors.count"
_NAME = re.compile(r"(?P<stem>.+)-(?P<no>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)


def shard_name(stem: str, no: int, count: int) -> str:
    """The file name of part `no` (from 0) of `count`, as `llama_split_path` makes it."""
    return f"{stem}-{no + 1:05d}-of-{count:05d}.gguf"


def shard_stem(name: str) -> str:
    """`name` without its extension and without the number that a part of a split file carries."""
    found = _NAME.fullmatch(name)
    return found["stem"] if found else name.removesuffix(".gguf")


def read_parts(path: Path) -> list[Header]:
    """The headers of all parts of the model at `path`, in order; `path` may be any of them.

    A file that is not split is its only part. `DamagedFile` names a part that is missing or belongs elsewhere.
    """
    opened = read_header(path)
    count = _number(opened, COUNT)
    if count < 2:
        return [opened]
    found = _NAME.fullmatch(path.name)
    if not found or int(found["count"]) != count:
        wanted = shard_name(shard_stem(path.name), _number(opened, NO), count)
        raise DamagedFile(f"is one of {count} parts; the name {wanted!r} was expected", file=path)
    parts = [_part(opened, path.with_name(shard_name(found["stem"], no, count)), no, count) for no in range(count)]
    _check_tensors(parts)
    return parts


def shards(keys: Mapping[str, Value], tensors: Sequence[Tensor], largest: int) -> list[list[Tensor]]:
    """`tensors` in their order, cut so that each file stays within `largest` bytes where a single tensor does."""
    room = largest - layout({**keys, **split_keys(0, 1, len(tensors))}, ()).size
    parts: list[list[Tensor]] = [[]]
    for tensor in tensors:
        taken = tensor.nbytes + _OVERHEAD + len(tensor.name.encode())
        if taken > room and (parts[-1] or len(parts) == 1):
            parts.append([])
            room = largest - _OVERHEAD
        parts[-1].append(tensor)
        room -= taken
    return parts


def split_keys(no: int, count: int, tensors: int) -> dict[str, Value]:
    """The keys that part `no` of `count` carries, `tensors` being the number of tensors in all parts."""
    return {
        NO: Value(ValueType.UINT16, no),
        COUNT: Value(ValueType.UINT16, count),
        TENSORS: Value(ValueType.INT32, tensors),
    }


# More than what a tensor takes besides its bytes and name: its entry in the index, its padding and the header's.
_OVERHEAD = 256


def _part(opened: Header, path: Path, no: int, count: int) -> Header:
    if not path.is_file():
        raise DamagedFile(f"part {no + 1} of {count} is missing", file=path, hint="all parts lie in one folder")
    same = path.name == opened.file.path.name
    header = opened if same else read_header(path)
    for key, wanted in ((NO, no), (COUNT, count)):
        if _number(header, key) != wanted:
            raise DamagedFile(f"{key} is {_number(header, key)}, {wanted} was expected", file=path)
    return header


def _check_tensors(parts: Sequence[Header]) -> None:
    names: dict[str, Path] = {}
    for part in parts:
        for info in part.tensors:
            if info.name in names:
                other = names[info.name].name
                raise DamagedFile(f"is in {other} too", file=part.file.path, offset=info.entry, tensor=info.name)
            names[info.name] = part.file.path
    stated = _number(parts[0], TENSORS, len(names))
    if stated != len(names):
        raise DamagedFile(f"{TENSORS} is {stated}, the {len(parts)} parts hold {len(names)}", file=parts[0].file.path)


def _number(header: Header, key: str, default: int = 0) -> int:
    value = header.scalar(key, int)
    return default if value is None else value
