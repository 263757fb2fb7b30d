"""Into which files the tensors go, and where: as the source had it, or anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.interface import Placement
from hub.ir import Tensor
from hub_safetensors._json import read_object, write_object
from hub_safetensors._locate import INDEX, WEIGHTS
from hub_safetensors._record import FileRecord
from hub_safetensors.container import Entry, Header, arrange, check_entries, header_bytes, parse_header

PT = {"format": "pt"}  # transformers asks for this key


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file to write: its `name` in a folder, the `raw` header, and each tensor with its byte of the file."""

    name: str
    raw: bytes
    placements: tuple[Placement, ...]

    @classmethod
    def of(cls, name: str, entries: Sequence[Entry], raw: bytes, tensors: Mapping[str, Tensor]) -> WeightsFile:
        """The file whose header `raw` lists `entries`, to be filled from `tensors`."""
        return cls(name, raw, tuple((8 + len(raw) + e.start, tensors[e.name]) for e in entries))


def recorded(
    headers: Mapping[str, Header], metadata: Mapping[str, dict[str, str]], index: bytes | None
) -> dict[str, Any]:
    """What `as_recorded` needs to lay the same tensors out the same way: only what cannot be worked out."""
    files: list[dict[str, Any]] = []
    for name, header in headers.items():
        file: dict[str, Any] = {"name": name, **({"metadata": metadata[name]} if metadata[name] else {})}
        if header.raw != header_bytes(arrange(header.entries), header.metadata):
            whole = metadata[name] == header.metadata
            file["header"] = (header.raw if whole else header_bytes(header.entries, metadata[name])).decode()
        elif len(headers) > 1:
            file["tensors"] = [e.name for e in header.entries]
        files.append(file)
    block: dict[str, Any] = {"files": files}
    if index is not None:
        entries = {name: header.entries for name, header in headers.items()}
        stated = read_object(index, INDEX).get("metadata")
        same = isinstance(stated, dict) and index == index_bytes(entries, stated)
        block["index"] = {"metadata": stated} if same else {"text": index.decode("utf-8", "surrogateescape")}
    return block


def as_recorded(
    files: Sequence[FileRecord], tensors: Mapping[str, Tensor], extra: Mapping[str, str]
) -> list[WeightsFile] | None:
    """The files of a record with `extra` metadata; None when its tensors are not just these."""
    out = []
    left = set(tensors)
    for file in files:
        header = _header(file, tensors)
        names = {e.name for e in header.entries} if header else set()
        if header is None or not names <= left or not all(_fits(e, tensors[e.name]) for e in header.entries):
            return None
        left -= names
        raw = header_bytes(header.entries, {**header.metadata, **extra}) if extra else header.raw
        out.append(WeightsFile.of(file.name, header.entries, raw, tensors))
    return out if out and not left else None


def anew(tensors: Mapping[str, Tensor], shard_size: int | None, metadata: Mapping[str, str]) -> list[WeightsFile]:
    """The tensors in one file, or in shards of at most `shard_size` bytes filled in order, as by transformers."""
    groups = _packed(tensors.values(), shard_size) if shard_size else [list(tensors.values())]
    out = []
    for number, group in enumerate(groups, 1):
        name = WEIGHTS if len(groups) == 1 else f"model-{number:05}-of-{len(groups):05}.safetensors"
        entries = arrange(map(Entry.of, group))
        out.append(WeightsFile.of(name, entries, header_bytes(entries, metadata), tensors))
    return out


def index_of(files: Sequence[WeightsFile], record: Mapping[str, Any]) -> dict[str, bytes]:
    """The index of several files, under its name, as `record` has it; of one file only when the source had one."""
    if "text" in record:
        return {INDEX: str(record["text"]).encode("utf-8", "surrogateescape")}
    entries = {f.name: [Entry.of(t) for _, t in f.placements] for f in files}
    total = {"total_size": sum(t.nbytes for f in files for _, t in f.placements)}
    metadata = record.get("metadata", total)
    return {INDEX: index_bytes(entries, metadata)} if record or len(files) > 1 else {}


def index_bytes(files: Mapping[str, Iterable[Entry]], metadata: Mapping[str, Any]) -> bytes:
    """model.safetensors.index.json as transformers writes it."""
    weight_map = {e.name: name for name, entries in files.items() for e in entries}
    return write_object({"metadata": dict(metadata), "weight_map": weight_map})


def _packed(tensors: Iterable[Tensor], limit: int) -> list[list[Tensor]]:
    """Shards filled one after another; a tensor larger than the limit has one of its own."""
    done: list[list[Tensor]] = []
    shard: list[Tensor] = []
    filled = 0
    for tensor in tensors:
        if tensor.nbytes > limit:
            done.append([tensor])
            continue
        if shard and filled + tensor.nbytes > limit:
            done.append(shard)
            shard, filled = [], 0
        shard.append(tensor)
        filled += tensor.nbytes
    return [*done, shard] if shard else done


def _header(file: FileRecord, tensors: Mapping[str, Tensor]) -> Header | None:
    if file.header is not None:
        header = parse_header(file.header.encode(), f"the record of {file.name}")
        check_entries(header, header.start + sum(e.stop - e.start for e in header.entries), file.name)
        return header
    names = tensors if file.tensors is None else file.tensors
    if not all(name in tensors for name in names):
        return None
    entries = arrange(Entry.of(tensors[name]) for name in names)
    return Header(header_bytes(entries, file.metadata), tuple(entries), file.metadata)


def _fits(entry: Entry, tensor: Tensor) -> bool:
    return (entry.dtype, entry.shape) == (tensor.encoding.name, tensor.shape)
