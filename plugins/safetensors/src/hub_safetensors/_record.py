"""What a model remembers of the SafeTensors files it came from, so that they can be written again as they were.

It is the block "safetensors" of `Model.source`: plain JSON, carried through other formats, and checked when it returns.

    {"files": [{"name": file, "metadata": {...}, "header": JSON text | "tensors": [names]}], "folder": bool,
     "index": {"metadata": {...}} | {"text": ...}, "dtype": "BF16",
     "renamed": {canonical: name}, "stacked": {name: {"shape": [...], "parts": [canonical names of expert 0]}},
     "copies": {alias: name}, "buffers": {name: {"dtype", "shape", "zlib"}}}

A file whose header the reference library would write has neither "header" nor, alone, "tensors".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.errors import DamagedFile
from hub.ir import Tensor
from hub_safetensors._companions import unpacked
from hub_safetensors.container import DTYPES

NAME = "safetensors"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One weights file: its `header` verbatim, or the `tensors` in it (None: all), and its `metadata`."""

    name: str
    metadata: dict[str, str] = field(default_factory=dict)
    header: str | None = None
    tensors: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """A stacked tensor: its `shape`, and the canonical names of what its first slice was cut into."""

    shape: tuple[int, ...]
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A checked block; empty for a model that was never in SafeTensors files."""

    files: tuple[FileRecord, ...] = ()
    folder: bool = False
    dtype: str | None = None
    index: dict[str, Any] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    stacked: dict[str, Stack] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    buffers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files)

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Record:
        """The record among a model's source blocks; `DamagedFile` when it is not of the form above."""
        block = source.get(NAME)
        if block is None:
            return cls()
        try:
            return cls(
                tuple(_file(f) for f in block["files"]),
                block.get("folder") is True,
                block.get("dtype"),
                dict(block.get("index", {})),
                _texts(block.get("renamed", {})),
                {name: _stack(value) for name, value in block.get("stacked", {}).items()},
                _texts(block.get("copies", {})),
                {name: {**value} for name, value in block.get("buffers", {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedFile(f"the record of its SafeTensors files is malformed: {error!r}") from None

    def computed(self) -> list[Tensor]:
        """The stored tensors that the model's class works out by itself; `DamagedFile` when one does not add up."""
        out = []
        for name, value in self.buffers.items():
            dtype, shape = value.get("dtype"), value.get("shape")
            if dtype not in DTYPES or not isinstance(shape, list) or not _are_sizes(shape) or "zlib" not in value:
                raise DamagedFile("the record of this tensor is malformed", tensor=name)
            data = unpacked(str(value["zlib"]), NAME, f"the record of {name!r}")
            out.append(Tensor.from_bytes(name, shape, DTYPES[dtype], data))
        return out


def _file(value: Mapping[str, Any]) -> FileRecord:
    header, tensors = value.get("header"), value.get("tensors")
    if not isinstance(header, str | None) or "/" in value["name"] or "\\" in value["name"]:
        raise TypeError(value["name"])
    return FileRecord(
        str(value["name"]), _texts(value.get("metadata", {})), header, tensors and tuple(map(str, tensors))
    )


def _stack(value: Mapping[str, Any]) -> Stack:
    if not _are_sizes(value["shape"]) or not value["shape"] or not value["parts"]:
        raise TypeError(value["shape"])
    return Stack(tuple(value["shape"]), tuple(map(str, value["parts"])))


def _texts(value: Mapping[str, str]) -> dict[str, str]:
    if not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise TypeError("strings were expected")
    return dict(value)


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 1 << 63 for v in value)
