from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFEndian, GGUFReader, GGUFWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import HubError
from hub.ir import ENCODINGS, Tensor
from hub_gguf.container import Header, Value, ValueType, layout, read_header


def tensors_of(header: Header) -> list[Tensor]:
    return [Tensor.from_file(i.name, i.shape, i.encoding, header.file, i.offset) for i in header.tensors]


def written(header: Header) -> bytes:
    """The file again, from its header and its tensors' bytes."""
    tensors = tensors_of(header)
    plan = layout(header.keys, tensors, header.version)
    out = bytearray(plan.size)
    out[: len(plan.header)] = plan.header
    for tensor, offset in zip(tensors, plan.offsets, strict=True):
        out[offset : offset + tensor.nbytes] = tensor.read()
    return bytes(out)


def everything(writer: GGUFWriter) -> None:
    writer.add_custom_alignment(64)
    writer.add_uint8("u8", 1)
    writer.add_int64("i64", -1)
    writer.add_float32("f32", 1e-5)
    writer.add_float64("f64", 1e-5)
    writer.add_bool("yes", True)
    writer.add_string("text", "é" * 77)
    writer.add_array("strings", ["a", "", "ccc"])
    writer.add_array("floats", [0.1, 0.2])
    writer.add_array("flags", [True, False, True])
    writer.add_array("nested", [[["x"], ["y", "z"]], [["w"]]])


def test_a_file_of_everything_is_written_again_byte_for_byte(write_gguf: Any) -> None:
    path: Path = write_gguf(fill=everything)
    assert written(read_header(path)) == path.read_bytes()


def test_a_big_endian_file_is_written_as_its_little_endian_twin(write_gguf: Any) -> None:
    little: Path = write_gguf("little.gguf", everything, {})
    big = write_gguf("big.gguf", everything, {}, endianess=GGUFEndian.BIG)
    assert written(read_header(big)) == little.read_bytes()


def test_the_gguf_reader_finds_what_was_laid_out(tmp_path: Path) -> None:
    data = np.arange(40, dtype=np.float32).reshape(5, 8)
    tensors = [
        Tensor.from_bytes("a", (3,), ENCODINGS["I8"], b"\1\2\3"),
        Tensor.from_bytes("b", (5, 8), ENCODINGS["F32"], data.tobytes()),
    ]
    keys = {"general.architecture": Value(ValueType.STRING, "toy"), "n": Value.array(ValueType.INT16, [-5, 5])}
    plan = layout(keys, tensors)
    out = bytearray(plan.size)
    out[: len(plan.header)] = plan.header
    for tensor, offset in zip(tensors, plan.offsets, strict=True):
        out[offset : offset + tensor.nbytes] = tensor.read()
    path = tmp_path / "model.gguf"
    path.write_bytes(out)
    theirs = GGUFReader(path)
    assert [t.name for t in theirs.tensors] == ["a", "b"]
    assert np.array_equal(theirs.tensors[1].data, data)
    assert theirs.fields["n"].contents() == [-5, 5]


values = st.one_of(
    st.integers(-(2**31), 2**31 - 1).map(lambda v: Value(ValueType.INT32, v)),
    st.integers(0, 2**64 - 1).map(lambda v: Value(ValueType.UINT64, v)),
    st.floats(width=32, allow_nan=False).map(lambda v: Value(ValueType.FLOAT32, v)),
    st.text(st.characters(exclude_categories=["Cs"])).map(lambda v: Value(ValueType.STRING, v)),
    st.lists(st.integers(-128, 127)).map(lambda v: Value.array(ValueType.INT8, v)),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(lambda v: Value.array(ValueType.STRING, v)),
    st.lists(st.booleans()).map(lambda v: Value.array(ValueType.BOOL, v)),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("abc.", min_size=1), values))
def test_keys_come_back_as_they_were_written(tmp_path: Path, keys: dict[str, Value]) -> None:
    path = tmp_path / "keys.gguf"
    path.write_bytes(layout(keys, []).header)
    back = read_header(path).keys
    assert list(back) == list(keys)
    for key, value in keys.items():
        assert (back[key].type, back[key].item) == (value.type, value.item)
        assert back[key].data == value.data


@pytest.mark.parametrize(
    "value",
    [
        Value(ValueType.UINT8, 256),
        Value(ValueType.UINT32, -1),
        Value(ValueType.INT32, "five"),
        Value(ValueType.STRING, 5),
        Value(ValueType.FLOAT32, 1e300),
        Value.array(ValueType.INT8, [1, 1000]),
        Value(ValueType.STRING, "\ud800"),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_named(value: Value) -> None:
    with pytest.raises(HubError, match=r"key 'general.thing': a value does not fit"):
        layout({"general.thing": value}, [])


@pytest.mark.parametrize(
    "value",
    [
        Value(ValueType.UINT32, 0),
        Value(ValueType.UINT32, 1 << 31),
        Value(ValueType.UINT32, 48),
        Value(ValueType.STRING, "a"),
    ],
)
def test_an_alignment_that_is_none_is_refused(value: Value) -> None:
    with pytest.raises(HubError, match=r"general.alignment is"):
        layout({"general.alignment": value}, [])
