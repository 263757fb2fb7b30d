from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGUFEndian, GGUFValueType, GGUFWriter

from hub.errors import UnsupportedFile
from hub_gguf.container import Header, Value, ValueType, read_header

SCALARS: list[tuple[ValueType, Any]] = [
    (ValueType.UINT8, 255), (ValueType.INT8, -128), (ValueType.UINT16, 65535), (ValueType.INT16, -32768),
    (ValueType.UINT32, 2**32 - 1), (ValueType.INT32, -(2**31)), (ValueType.UINT64, 2**64 - 1),
    (ValueType.INT64, -(2**63)), (ValueType.FLOAT32, 0.1), (ValueType.FLOAT64, 0.1), (ValueType.FLOAT32, float("inf")),
    (ValueType.BOOL, True), (ValueType.BOOL, False), (ValueType.STRING, "naïve 😀"),
]  # fmt: skip


def stored(kind: ValueType, value: Any) -> Any:
    return float(np.float32(value)) if kind is ValueType.FLOAT32 else value


def tensor_bytes(header: Header, name: str) -> bytes:
    info = next(i for i in header.tensors if i.name == name)
    return header.file.read(info.offset, info.nbytes)


@pytest.mark.parametrize("order", [GGUFEndian.LITTLE, GGUFEndian.BIG])
@pytest.mark.parametrize(("kind", "value"), SCALARS)
def test_scalars_of_every_type(write_gguf: Any, kind: ValueType, value: Any, order: GGUFEndian) -> None:
    path = write_gguf(fill=lambda w: w.add_key_value("k", value, GGUFValueType(int(kind))), endianess=order)
    assert read_header(path).keys["k"] == Value(kind, stored(kind, value))


@pytest.mark.parametrize("order", [GGUFEndian.LITTLE, GGUFEndian.BIG])
@pytest.mark.parametrize(("kind", "value"), SCALARS)
def test_arrays_of_every_type(write_gguf: Any, kind: ValueType, value: Any, order: GGUFEndian) -> None:
    def fill(writer: GGUFWriter) -> None:
        writer.add_key_value("k", [value] * 3, GGUFValueType.ARRAY, GGUFValueType(int(kind)))

    read = read_header(write_gguf(fill=fill, endianess=order)).keys["k"]
    assert (read.type, read.item, list(read.data)) == (ValueType.ARRAY, kind, [stored(kind, value)] * 3)


def test_nested_arrays(write_gguf: Any) -> None:
    nested = [[1, 2], [3], [4, 5, 6]]
    read = read_header(write_gguf(fill=lambda w: w.add_array("k", nested))).keys["k"]
    assert read.item is ValueType.ARRAY
    assert [list(inner) for inner in read.plain] == nested
    assert [inner.item for inner in read.data] == [ValueType.INT32] * 3


def test_arrays_of_strings_in_arrays_and_what_follows(write_gguf: Any) -> None:
    def fill(writer: GGUFWriter) -> None:
        writer.add_array("k", [[["a", "bc"], ["d"]], [["", "é"]]])
        writer.add_uint32("after", 9)

    header = read_header(write_gguf(fill=fill))
    assert [[list(y) for y in x] for x in header.keys["k"].plain] == [[["a", "bc"], ["d"]], [["", "é"]]]
    assert header.keys["after"] == Value(ValueType.UINT32, 9)


@pytest.mark.parametrize("alignment", [8, 16, 32, 64, 128, 4096])
def test_tensors_at_any_alignment_are_those_of_the_gguf_reader(write_gguf: Any, arrays: Any, alignment: int) -> None:
    path = write_gguf(fill=lambda w: w.add_custom_alignment(alignment))
    header, theirs = read_header(path), gguf.GGUFReader(path)
    assert header.alignment == alignment
    assert [i.name for i in header.tensors] == [t.name for t in theirs.tensors]
    for info, other in zip(header.tensors, theirs.tensors, strict=True):
        assert info.offset == other.data_offset
        assert info.shape == tuple(reversed(other.shape.tolist())) == arrays[info.name].shape
        assert info.encoding.name == other.tensor_type.name
        assert tensor_bytes(header, info.name) == arrays[info.name].tobytes()


def test_keys_come_in_file_order_with_the_gguf_readers_values(write_gguf: Any) -> None:
    def fill(writer: GGUFWriter) -> None:
        writer.add_float32("z", 1e-5)
        writer.add_string("a", "text")
        writer.add_array("m", [3, 1, 2])

    path = write_gguf(fill=fill)
    theirs = {k: f.contents() for k, f in gguf.GGUFReader(path).fields.items() if not k.startswith("GGUF.")}
    ours = {k: list(v) if isinstance(v, list) or not isinstance(v, str | float) else v
            for k, v in read_header(path).plain.items()}  # fmt: skip
    assert ours == theirs
    assert list(ours) == ["general.architecture", "z", "a", "m"]


def test_version_2_reads_as_3(write_gguf: Any) -> None:
    path: Path = write_gguf()
    data = bytearray(path.read_bytes())
    data[4:8] = struct.pack("<I", 2)
    older = path.with_name("v2.gguf")
    older.write_bytes(data)
    assert read_header(older).version == 2
    assert read_header(older).tensors == read_header(path).tensors


@pytest.mark.parametrize("version", [1, 4, 77])
def test_other_versions_are_refused_by_number(write_gguf: Any, version: int) -> None:
    path: Path = write_gguf()
    data = bytearray(path.read_bytes())
    data[4:8] = struct.pack("<I", version)
    path.write_bytes(data)
    with pytest.raises(UnsupportedFile, match=f"byte 4: GGUF version {version}; 2 and 3 are read"):
        read_header(path)


def test_big_endian_tensors_are_found(write_gguf: Any, arrays: Any) -> None:
    header = read_header(write_gguf(endianess=GGUFEndian.BIG))
    assert header.order == ">"
    for name, array in arrays.items():
        assert tensor_bytes(header, name) == array.byteswap().tobytes()


def test_a_file_without_tensors(write_gguf: Any) -> None:
    header = read_header(write_gguf(tensors={}))
    assert header.tensors == ()
    assert list(header.keys) == ["general.architecture"]


def test_scalar_tensors_and_empty_ones(write_gguf: Any) -> None:
    tensors = {"one": np.array(3, np.float32), "none": np.zeros((0, 4), np.float32)}
    shapes = {i.name: i.shape for i in read_header(write_gguf(tensors=tensors)).tensors}
    assert shapes == {"one": (), "none": (0, 4)}


def test_long_arrays_are_not_read_at_opening(write_gguf: Any) -> None:
    """Tokens that are not UTF-8 do no harm until somebody asks for them."""
    path: Path = write_gguf(fill=lambda w: w.add_array("tokens", ["abcd"] * 1000))
    path.write_bytes(path.read_bytes().replace(b"abcd", b"\xff\xff\xff\xff", 1))
    tokens = read_header(path).keys["tokens"].data
    assert len(tokens) == 1000
    with pytest.raises(Exception, match="string 0 of an array is not UTF-8"):
        tokens[999]
