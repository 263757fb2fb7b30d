"""Models in several files: shards are ordinary APR v2 files, a JSON manifest beside them says what is where."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile
from hub_apr.container import Container, Flags, open_any, parse_json

_NAME = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.apr")
_LARGEST_MANIFEST = 64 << 20
_MOST_SHARDS = 100_000


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a sharded model, as the manifest lists it: name, number from 0, bytes, tensor names."""

    filename: str
    index: int
    size: int
    tensors: list[str]


def shard_name(target: Path, number: int, count: int) -> str:
    """The name of a shard of `target`, numbered from 0: model.apr gives model-00000-of-00002.apr."""
    return f"{target.stem}-{number:05}-of-{count:05}.apr"


def manifest_name(target: Path) -> str:
    """The name of the manifest beside the shards."""
    return f"{target.stem}.apr.json"


def manifest(shards: Sequence[Shard]) -> str:
    """The manifest of `shards`, as the reference library writes it."""
    told = {
        "version": "2.0",
        "shard_count": len(shards),
        "total_size": sum(shard.size for shard in shards),
        "tensor_count": sum(len(shard.tensors) for shard in shards),
        "shards": [asdict(shard) for shard in shards],
        "weight_map": {name: shard.index for shard in shards for name in shard.tensors},
    }
    return json.dumps(told, indent=2) + "\n"


def is_manifest(head: bytes) -> bool:
    """True when `head`, the first bytes of a file, looks like a manifest."""
    return head[:1] == b"{" and b'"shard_count"' in head and b'"shards"' in head and b".apr" in head


def from_manifest(path: Path) -> list[Container]:
    """The shards that the manifest at `path` lists, in order; `DamagedFile` when it and they disagree."""
    if path.stat().st_size > _LARGEST_MANIFEST:
        raise DamagedFile(f"a manifest of more than {_LARGEST_MANIFEST} bytes is not read", file=path)
    shards = _parse(path)
    opened: list[Container] = []
    for number, shard in enumerate(sorted(shards, key=lambda s: s.index)):
        if shard.index != number:
            raise DamagedFile(f"shard {number} is missing, or one is listed twice", file=path)
        file = path.parent / shard.filename
        if not file.is_file():
            raise DamagedFile(f"shard {shard.filename!r} is not beside its manifest", file=path)
        if file.stat().st_size != shard.size:
            raise DamagedFile(f"has {file.stat().st_size} bytes, its manifest says {shard.size}", file=file)
        container = _shard(file, number, len(shards))
        if sorted(shard.tensors) != sorted(e.name for e in container.entries):
            raise DamagedFile("its tensors are not those that its manifest lists", file=file)
        opened.append(container)
    return opened


def _parse(path: Path) -> list[Shard]:
    try:
        told = parse_json(path.read_bytes())
        shards = [_entry(item) for item in told["shards"]]
        if (told["shard_count"], told["tensor_count"]) != (len(shards), len(told["weight_map"])) or not shards:
            raise ValueError("its counts are not those of its lists")
        if any(told["weight_map"][name] != shard.index for shard in shards for name in shard.tensors):
            raise ValueError("weight_map and shards contradict each other")
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"the manifest is damaged: {error}", file=path) from None
    return shards


def _entry(item: Any) -> Shard:
    match item:
        case {"filename": str(name), "index": int(index), "size": int(size), "tensors": list(tensors)}:
            if Path(name).name != name or not all(isinstance(t, str) for t in tensors):
                raise ValueError(f"shard {name!r} is no file beside the manifest")
            return Shard(name, index, size, tensors)
    raise ValueError("a shard lacks filename, index, size or tensors")


def with_siblings(container: Container) -> list[Container]:
    """All shards of the model that `container` is one of, told by file name; itself alone when it is no shard."""
    path = container.image.path
    named = _NAME.fullmatch(path.name)
    sharding = container.metadata.get("sharding")
    if not container.header.flags & Flags.SHARDED or not isinstance(sharding, dict) or named is None:
        return [container]
    count = int(named["count"])
    if sharding["shard_count"] != count or count > _MOST_SHARDS:
        raise DamagedFile(f"is one of {sharding['shard_count']} shards, its name says {count}", file=path)
    files = [path.with_name(f"{named['stem']}-{number:05}-of-{count:05}.apr") for number in range(count)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise DamagedFile(f"{len(missing)} of {count} shards are missing, the first is {missing[0]}", file=path)
    return [_shard(file, number, count) for number, file in enumerate(files)]


def _shard(file: Path, number: int, count: int) -> Container:
    opened = open_any(file)
    sharding = opened.metadata.get("sharding") if isinstance(opened, Container) else None
    if not isinstance(opened, Container) or not isinstance(sharding, dict):
        raise DamagedFile("is no shard of an APR v2 model", file=file)
    if (sharding["shard_index"], sharding["shard_count"]) != (number, count):
        raise DamagedFile(
            f"is shard {sharding['shard_index']} of {sharding['shard_count']}, {number} of {count} was expected",
            file=file,
        )
    return opened
