"""What GGUF has no place for, carried in keys of our own, so that the source can be written again byte for byte.

    hub.file.NAME      a companion file of a model folder
    hub.source.FORMAT  another format's source block, as JSON
    hub.config         the configuration as JSON, when neither the keys nor a carried config.json give it back
    hub.ties           the ties of a model that no table knows, as JSON
    hub.tensor.NAME    the bytes of a canonical tensor that llama.cpp has no place for (bert's pooler)
    hub.tensors        per canonical tensor, the encoding it came in, with the bytes where the values do not invert
                       exactly, or the shape where the bytes are in a key of their own
    hub.crc32          CRC-32 of all other keys: what is carried counts only while they are as they were written

A short text is a string; anything else an array of bytes, compressed with zlib. Other programs ignore these keys.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from hub.errors import DamagedFile
from hub.ir import ENCODINGS, Tensor
from hub_gguf.container import NumberArray, Value, ValueType, encode_key

PREFIX = "hub."
FILE, SOURCE, TENSOR = "hub.file.", "hub.source.", "hub.tensor."
CONFIG, TIES, TENSORS, GUARD = "hub.config", "hub.ties", "hub.tensors", "hub.crc32"

_SHORT = 1024
LARGEST = 1 << 27
Keys = Mapping[str, Value]


def packed(data: bytes) -> Value:
    """`data` as the value of a carrying key."""
    if len(data) <= _SHORT:
        try:
            return Value(ValueType.STRING, data.decode())
        except UnicodeDecodeError:
            pass
    return Value.array(ValueType.UINT8, memoryview(zlib.compress(data, 6)))


def unpacked(key: str, value: Value) -> bytes:
    """What `packed` was given; `DamagedFile` names `key` when it cannot be."""
    if value.type is ValueType.STRING:
        return str(value.data).encode()
    if value.item is not ValueType.UINT8:
        raise DamagedFile(f"key {key!r} is neither a string nor an array of bytes")
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(value.data.raw, LARGEST)
    except zlib.error as error:
        raise DamagedFile(f"key {key!r} cannot be decompressed: {error}") from error
    if not stream.eof:
        raise DamagedFile(f"key {key!r} is cut short, or larger than {LARGEST} bytes when decompressed")
    return data


def unpacked_json(key: str, value: Value) -> Any:
    """The JSON value under `key`; `DamagedFile` when it is none."""
    try:
        return json.loads(unpacked(key, value))
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"key {key!r} is not JSON: {error}") from error


def packed_json(value: Any) -> Value:
    """A JSON value as the value of a carrying key."""
    return packed(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def to_base64(data: bytes) -> str:
    """`data` as text for a JSON value."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """The bytes of `to_base64`; `ValueError` when it is something else."""
    return base64.b64decode(text, validate=True)


def packed_tensor(tensor: Tensor) -> Value:
    """The tensor's bytes as the value of a carrying key, as they are: weights do not compress."""
    return Value.array(ValueType.UINT8, memoryview(tensor.read()))


def unpacked_tensor(name: str, value: Value, record: Mapping[str, Any]) -> Tensor:
    """The tensor that `packed_tensor` was given, its bytes left in the file; `record` has its encoding and shape."""
    array = value.data
    encoding, shape = ENCODINGS[record["encoding"]], tuple(map(int, record["shape"]))
    if not isinstance(array, NumberArray) or value.item is not ValueType.UINT8 or len(array) != encoding.size(shape):
        raise DamagedFile(f"key {TENSOR + name!r} does not hold {encoding} {list(shape)}", tensor=name)
    return Tensor.from_file(name, shape, encoding, array.file, array.offset)


def own(keys: Keys) -> dict[str, Value]:
    """The keys that are not ours: the model's own."""
    return {key: value for key, value in keys.items() if not key.startswith(PREFIX)}


def guard(keys: Keys) -> Value:
    """The checksum of the model's own keys, in their order."""
    crc = 0
    for key, value in own(keys).items():
        crc = zlib.crc32(encode_key(key, value), crc)
    return Value(ValueType.UINT32, crc)


class Carried(Mapping[str, bytes]):
    """Companion files in a header's keys, by name; each is unpacked when asked for."""

    def __init__(self, keys: Keys) -> None:
        self._values = {key.removeprefix(FILE): value for key, value in keys.items() if key.startswith(FILE)}

    def __getitem__(self, name: str) -> bytes:
        return unpacked(FILE + name, self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
