"""Reads a header: versions 2 and 3, either byte order, nested arrays; arrays are stepped over, not read.

The layout is that of ggml's gguf.h: magic, version (u32), number of tensors and of keys (u64 each), the keys, the index
of tensors, padding up to the alignment, the tensors' bytes. Strings carry their length in 8 bytes. In a larger file
(`hub.embedded`) all of it lies further on; offsets are those of the larger file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hub.embedded import embedded
from hub.errors import UnsupportedFile
from hub.ir import ENCODINGS, File
from hub_gguf.container._check import check_alignment, check_placement, check_shape
from hub_gguf.container._cursor import Cursor
from hub_gguf.container._header import Header, TensorInfo
from hub_gguf.container._types import (
    DEFAULT_ALIGNMENT,
    MAGIC,
    MAX_ALIGNMENT,
    MAX_DIMS,
    SIZES,
    TENSOR_TYPES,
    VERSIONS,
    WITHDRAWN,
    ValueType,
    is_alignment,
)
from hub_gguf.container._values import NestedArray, NumberArray, StringArray, Value

MAX_KEY = 65535
MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 18
MAX_DEPTH = 16
MAX_NESTED = 1 << 16


class HeaderReader:
    """Reads a header step by step: `magic`, `counts`, `keys`, `index`, `placement`, `alignment`, in this order.

    `version` is known after `counts`, `metadata` after `keys`, `header` after `index`. Each step raises `DamagedFile`
    naming the byte where something is wrong, or `UnsupportedFile`.
    """

    def __init__(self, source: Path | File) -> None:
        file = source if isinstance(source, File) else File(source)
        inside = embedded(file.path)
        self.start = 0
        if inside is not None:
            self.start, file.size = inside.offset, min(file.size, inside.end)
        self.cursor = Cursor(file, self.start)
        self.version = self._n_tensors = self._n_keys = 0
        self.metadata: dict[str, Value] = {}
        self._header: Header | None = None

    def magic(self) -> None:
        """The first four bytes."""
        found = self.cursor.bytes(len(MAGIC), "the magic")
        if found != MAGIC:
            raise self.cursor.damaged(f"the file begins with {found!r}, {MAGIC!r} was expected", self.start)

    def counts(self) -> None:
        """Version, byte order, numbers of tensors and keys."""
        self.version = _version(self.cursor)
        self._n_tensors = self.cursor.count("number of tensors", 8 + 4 + 4 + 8, MAX_TENSORS)
        self._n_keys = self.cursor.count("number of keys", 8 + 4 + 1, MAX_KEYS)

    def keys(self) -> None:
        """The metadata."""
        self.metadata = _keys(self.cursor, self._n_keys)
        self._alignment = _alignment(self.cursor, self.metadata)

    def index(self) -> None:
        """Names, shapes and encodings of the tensors."""
        cursor, start = self.cursor, self.cursor.at
        infos = _infos(cursor, self._n_tensors)
        header = cursor.at - self.start
        data = self.start + (-(-header // self._alignment) * self._alignment if infos else header)
        placed = tuple(TensorInfo(i.name, i.shape, i.encoding, data + i.offset, i.entry) for i in infos)
        self._header = Header(
            cursor.file, self.version, cursor.order, self._alignment, self.metadata, placed, start, cursor.at, data
        )

    def placement(self) -> None:
        """Where the tensors' bytes lie."""
        check_placement(self.header)

    def alignment(self) -> None:
        """That they are aligned."""
        check_alignment(self.header)

    @property
    def byte_order(self) -> str:
        """The file's byte order: "little" or "big"."""
        return "little" if self.cursor.order == "<" else "big"

    @property
    def header(self) -> Header:
        """What was read; complete after `index`."""
        if self._header is None:
            raise RuntimeError("the index was not read yet")
        return self._header


def read_header(source: Path | File) -> Header:
    """The header of the GGUF file `source`, every number of it checked against the file.

    `DamagedFile` names the byte where something is wrong; `UnsupportedFile` for versions other than 2 and 3.
    """
    reader = HeaderReader(source)
    for step in (reader.magic, reader.counts, reader.keys, reader.index, reader.placement, reader.alignment):
        step()
    return reader.header


def _version(cursor: Cursor) -> int:
    version: int = cursor.number(ValueType.UINT32, "the version")
    if version & 0xFFFF == 0:
        cursor.use(">")
        version = int.from_bytes(version.to_bytes(4, "little"), "big")
    if version in VERSIONS:
        return version
    hint = "make it again with a current llama.cpp" if version == 1 else None
    raise UnsupportedFile(
        f"GGUF version {version}; 2 and 3 are read", file=cursor.file.path, offset=cursor.at - 4, hint=hint
    )


def _keys(cursor: Cursor, n: int) -> dict[str, Value]:
    keys: dict[str, Value] = {}
    arrays = _Arrays(cursor)
    for index in range(n):
        start = cursor.at
        key = cursor.string(f"key {index}", MAX_KEY)
        if not key or key in keys:
            raise cursor.damaged(f"key {index}, {key!r}, is {'a duplicate' if key else 'empty'}", start)
        kind = _kind(cursor, f"type of {key!r}")
        if kind is ValueType.ARRAY:
            keys[key] = arrays.value(f"{key!r}")
        elif kind is ValueType.STRING:
            keys[key] = Value(kind, cursor.string(f"{key!r}"))
        else:
            keys[key] = Value(kind, cursor.number(kind, f"{key!r}"))
    return keys


def _kind(cursor: Cursor, what: str) -> ValueType:
    start = cursor.at
    number = cursor.number(ValueType.UINT32, what)
    if number > max(ValueType):
        raise cursor.damaged(f"{what} is {number}, 0 to {int(max(ValueType))} were expected", start)
    return ValueType(number)


class _Arrays:
    """Steps over arrays, counting nested ones over the whole header."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.nested = 0

    def value(self, what: str, depth: int = 0) -> Value:
        """The array here, its elements left in the file."""
        cursor = self.cursor
        item = _kind(cursor, f"element type of {what}")
        n = cursor.count(f"length of {what}", {ValueType.STRING: 8, ValueType.ARRAY: 12, **SIZES}[item])
        start = cursor.at
        if item is ValueType.STRING:
            cursor.skip_strings(n, what)
            return Value.array(item, StringArray(cursor.file, start, cursor.at, n, cursor.order))
        if item is ValueType.ARRAY:
            self._step_over(n, what, depth)
            return Value.array(item, NestedArray(n, self._again(start, n, what, depth)))
        cursor.skip(n * SIZES[item], what)
        return Value.array(item, NumberArray(cursor.file, start, n, item, cursor.order))

    def _step_over(self, n: int, what: str, depth: int) -> None:
        self.nested += n
        if depth >= MAX_DEPTH or self.nested > MAX_NESTED:
            limit = f"at most {MAX_DEPTH} levels and {MAX_NESTED} arrays in arrays were expected"
            raise self.cursor.damaged(f"{what} nests too far; {limit}")
        for _ in range(n):
            self.value(what, depth + 1)

    def _again(self, start: int, n: int, what: str, depth: int) -> Callable[[], list[Value]]:
        def make() -> list[Value]:
            arrays = _Arrays(Cursor(self.cursor.file, start, self.cursor.order))
            return [arrays.value(what, depth + 1) for _ in range(n)]

        return make


def _alignment(cursor: Cursor, keys: dict[str, Value]) -> int:
    value = keys.get("general.alignment", Value(ValueType.UINT32, DEFAULT_ALIGNMENT))
    if value.type is not ValueType.UINT32 or not is_alignment(value.data):
        expected = f"a power of two up to {MAX_ALIGNMENT} (UINT32) was expected"
        raise cursor.damaged(f"general.alignment is {value.data!r} ({value.type.name}), {expected}")
    return int(value.data)


def _infos(cursor: Cursor, n: int) -> list[TensorInfo]:
    infos: dict[str, TensorInfo] = {}
    for index in range(n):
        start = cursor.at
        name = cursor.string(f"name of tensor {index}", MAX_KEY)
        if name in infos:
            raise cursor.damaged(f"tensor {index} has the name {name!r}, which an earlier one has", start)
        infos[name] = _info(cursor, name, start)
    return list(infos.values())


def _info(cursor: Cursor, name: str, start: int) -> TensorInfo:
    n_dims = cursor.number(ValueType.UINT32, f"number of dimensions of {name!r}")
    if n_dims > MAX_DIMS:
        raise cursor.damaged(f"{name!r} has {n_dims} dimensions, at most {MAX_DIMS} were expected", cursor.at - 4)
    where = cursor.at
    sizes = [cursor.number(ValueType.UINT64, f"dimension {i} of {name!r}") for i in range(n_dims)]
    number = cursor.number(ValueType.UINT32, f"type of {name!r}")
    if number in WITHDRAWN:
        raise UnsupportedFile(
            f"encoding {number} was withdrawn from GGUF", file=cursor.file.path, offset=cursor.at - 4, tensor=name,
            hint="quantize the model again with a current llama.cpp",
        )  # fmt: skip
    if number not in TENSOR_TYPES or TENSOR_TYPES[number] not in ENCODINGS:
        raise cursor.damaged(f"tensor {name!r} has encoding {number}, which GGUF does not define", cursor.at - 4)
    encoding = ENCODINGS[TENSOR_TYPES[number]]
    shape = tuple(reversed(sizes))
    check_shape(cursor, name, shape, encoding, where)
    return TensorInfo(name, shape, encoding, cursor.number(ValueType.UINT64, f"offset of {name!r}"), start)
