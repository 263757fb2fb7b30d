"""Dialects that came before APR v2: `APR1` with a JSON index, and whisper.apr's binary."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import ENCODINGS, Bytes, Encoding, Rows, Tensor
from hub_apr.container._checksum import FOOTER, footer
from hub_apr.container._image import Image
from hub_apr.container._json import parse_json
from hub_apr.container._metadata import LARGEST, parse_metadata

MAGIC = b"APR1"

_DTYPES = {name: ENCODINGS[name] for name in ("F32", "F16", "BF16", "F64", "I8", "I32", "I64", "U8")}
_WHISPER = struct.Struct("<4sHBBBHB10I")
_WHISPER_ENTRY = struct.Struct("<48sQQQ4IB7x")
_WHISPER_KEYS = (
    "n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer",
    "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer", "n_mels",
)  # fmt: skip
_INT8 = 2
_WHISPER_ENCODINGS = {0: "F32", 1: "F16", _INT8: "APR_Q8"}


@dataclass(frozen=True)
class Legacy:
    """A file of an old dialect: its metadata and tensors. `footer_valid` is None where the dialect has no checksum."""

    image: Image
    dialect: str
    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]
    data_start: int
    footer_valid: bool | None


def open_apr1(image: Image) -> Legacy:
    """`APR1`, u32 length, metadata JSON, u32 tensors, u32 length, index JSON, data, CRC-32."""
    size = _u32(image, 4)
    metadata = parse_metadata(_section(image, 8, size), image.path, 8, typed=False)
    count, length, at = _u32(image, 8 + size), _u32(image, 12 + size), 16 + size
    raw = _section(image, at, length)
    try:
        index = parse_json(raw)
    except ValueError as error:
        raise DamagedFile(f"the tensor index is not JSON: {error}", file=image.path, offset=at) from None
    if not isinstance(index, list) or len(index) != count:
        raise DamagedFile(f"the tensor index is no JSON array of {count} entries", file=image.path, offset=at)
    data = at + length
    end = image.size - FOOTER
    tensors = tuple(_apr1_tensor(image, item, data, end) for item in index)
    _no_duplicates(image, tensors)
    return Legacy(image, "APR1", metadata, tensors, data, footer(image).valid)


def _apr1_tensor(image: Image, item: Any, data: int, end: int) -> Tensor:
    match item:
        case {"name": str(name), "dtype": str(dtype), "shape": list(shape), "offset": int(offset), "size": int(size)}:
            pass
        case _:
            raise DamagedFile(f"index entry {str(item)[:80]} lacks name, dtype, shape, offset or size", file=image.path)
    if dtype.upper() not in _DTYPES:
        raise UnsupportedFile(f"dtype {dtype!r} is none of {', '.join(_DTYPES)}", file=image.path, tensor=name)
    if not all(type(n) is int and 0 <= n < 1 << 63 for n in shape) or offset < 0 or size < 0:
        raise DamagedFile(f"shape {shape}, offset {offset}, size {size}: out of range", file=image.path, tensor=name)
    return _tensor(image, name, tuple(shape), _DTYPES[dtype.upper()], data + offset, size, end)


def open_whisper(image: Image) -> Legacy:
    """whisper.apr: 52 bytes of header, 96 bytes a tensor, with int8 a float32 scale a tensor, then the data."""
    head = _WHISPER.unpack(image.read(0, _WHISPER.size))
    _, version, kind, quantization, compressed, count, flags, *sizes = head
    if compressed or quantization not in _WHISPER_ENCODINGS:
        what = "compressed" if compressed else f"quantization {quantization}"
        raise UnsupportedFile(f"a whisper.apr file, {what}: its layout is not published", file=image.path)
    table = _section(image, _WHISPER.size, count * _WHISPER_ENTRY.size)
    scales = _WHISPER.size + len(table)
    data = scales + 4 * count * (quantization == _INT8)
    encoding = ENCODINGS[_WHISPER_ENCODINGS[quantization]]
    entries = _WHISPER_ENTRY.iter_unpack(table)
    tensors = tuple(_whisper_tensor(image, entry, encoding, data, scales + 4 * i) for i, entry in enumerate(entries))
    _no_duplicates(image, tensors)
    metadata = dict(zip(_WHISPER_KEYS, sizes, strict=True)) | {
        "model_type": "whisper", "version": version, "whisper_type": kind, "quantization": quantization, "flags": flags,
    }  # fmt: skip
    return Legacy(image, "whisper.apr", metadata, tensors, data, None)


def _whisper_tensor(image: Image, entry: tuple[Any, ...], encoding: Encoding, data: int, scale: int) -> Tensor:
    raw, offset, size, _, *dims, ndim = entry
    name = raw.split(b"\0")[0].decode(errors="replace")
    shape = tuple(dims[: min(ndim, 4)])
    if not encoding.header:
        return _tensor(image, name, shape, encoding, data + offset, size, image.size)
    plain = _tensor(image, name, shape, ENCODINGS["I8"], data + offset, size, image.size)
    if not plain.nbytes:
        return Tensor(name, shape, encoding, plain.rows)
    return Tensor(name, shape, encoding, _Prefixed(image.rows(scale, 1, 4), image.rows(data + offset, 1, size)))


class _Prefixed(Rows):
    """One row made of two: a scale kept apart from its values."""

    def __init__(self, first: Rows, second: Rows) -> None:
        self.first, self.second = first, second
        self.n, self.width = 1, first.width + second.width

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        if stop > start:
            out[:] = np.concatenate([self.first.read(), self.second.read()], axis=1)


def _tensor(
    image: Image, name: str, shape: tuple[int, ...], encoding: Encoding, at: int, size: int, end: int
) -> Tensor:
    if at + size > end:
        raise DamagedFile(
            f"the data lies at {at} to {at + size}, the file has {image.size} bytes; it is cut short",
            file=image.path, offset=at, tensor=name,
        )  # fmt: skip
    if encoding.size(shape) != size:
        raise DamagedFile(
            f"shape {list(shape)} in {encoding} takes {encoding.size(shape)} bytes, the index says {size}",
            file=image.path, offset=at, tensor=name,
        )  # fmt: skip
    n, columns = encoding.grid(shape)
    return Tensor(name, shape, encoding, image.rows(at, n, encoding.row_nbytes(columns)))


def _no_duplicates(image: Image, tensors: tuple[Tensor, ...]) -> None:
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen:
            raise DamagedFile("the name occurs twice in the index", file=image.path, tensor=tensor.name)
        seen.add(tensor.name)


def _u32(image: Image, at: int) -> int:
    return int.from_bytes(image.read(at, 4), "little")


def _section(image: Image, at: int, size: int) -> bytes:
    if size > LARGEST:
        raise DamagedFile(f"a section of {size} bytes, at most {LARGEST} are read", file=image.path, offset=at)
    return image.read(at, size)
