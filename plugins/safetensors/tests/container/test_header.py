"""Reading and writing headers against the reference library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save, save_file

from hub.errors import UnsupportedFile
from hub.ir import ENCODINGS, File, Tensor
from hub_safetensors.container import DTYPES, Entry, arrange, header_bytes, plausible, read_header

ARRAYS = {
    "bool": np.array([True, False, True]),
    "u8": np.arange(5, dtype=np.uint8),
    "i8": np.arange(-2, 3, dtype=np.int8),
    "i16": np.arange(6, dtype=np.int16).reshape(2, 3),
    "u16": np.arange(6, dtype=np.uint16).reshape(3, 2),
    "f16": np.array([1.5, np.nan, -0.0], np.float16),
    "i32": np.arange(4, dtype=np.int32),
    "u32": np.arange(4, dtype=np.uint32),
    "f32": np.array([[1.5, -2.5], [np.inf, 1e-40]], np.float32),
    "c64": np.array([1 + 2j], np.complex64),
    "f64": np.array([np.pi]),
    "i64": np.array([-1, 1 << 62]),
    "u64": np.array([(1 << 64) - 1], np.uint64),
    "scalar": np.array(7.0, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    'odd "name"\n\x01/é\x7f': np.ones(2, np.float32),
}


def test_reads_what_the_reference_library_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(ARRAYS, path, metadata={"format": "np", "é": '"\\'})
    file = File(path)
    header = read_header(file)
    tensors = {t.name: t for t in header.tensors(file)}
    assert header.metadata == {"format": "np", "é": '"\\'}
    assert tensors.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert tensors[name].shape == array.shape
        assert tensors[name].read() == array.tobytes()


def test_header_is_the_reference_librarys_byte_for_byte() -> None:
    tensors = [
        Tensor.from_bytes(name, a.shape, ENCODINGS[name.upper() if name.upper() in ENCODINGS else "F32"], a.tobytes())
        for name, a in ARRAYS.items()
    ]
    reference = save(ARRAYS, metadata={"format": "pt"})
    length = int.from_bytes(reference[:8], "little")
    assert header_bytes(arrange(map(Entry.of, tensors)), {"format": "pt"}) == reference[8 : 8 + length]


def test_the_reference_library_opens_what_we_write(tmp_path: Path) -> None:
    dtypes = [d for d in DTYPES if d != "F8_E8M0"]
    tensors = [Tensor.from_bytes(f"t.{d}", (2, 3), DTYPES[d], bytes(range(6 * DTYPES[d].nbytes))) for d in dtypes]
    tensors = [
        t if t.encoding.name != "BOOL" else Tensor.from_bytes(t.name, (2, 3), t.encoding, b"\0\1" * 3) for t in tensors
    ]
    entries = arrange(map(Entry.of, tensors))
    raw = header_bytes(entries, {"k": "v"})
    by_name = {t.name: t for t in tensors}
    path = tmp_path / "b.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + b"".join(by_name[e.name].read() for e in entries))
    with safe_open(path, "np") as opened:
        assert opened.metadata() == {"k": "v"}
        assert set(opened.keys()) == by_name.keys()
        for name in ("t.F32", "t.I64", "t.U16", "t.F16", "t.BOOL"):
            assert opened.get_tensor(name).tobytes() == by_name[name].read()
        for tensor in tensors:
            assert opened.get_slice(tensor.name).get_shape() == [2, 3]
            assert opened.get_slice(tensor.name).get_dtype() == tensor.encoding.name


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F8_E4M3FNUZ"])
def test_newer_dtypes_are_refused_by_name(tmp_path: Path, dtype: str) -> None:
    raw = json.dumps({"x": {"dtype": dtype, "shape": [2], "data_offsets": [0, 1]}}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + b"\0")
    with pytest.raises(UnsupportedFile, match=f"dtype {dtype} is not converted"):
        read_header(File(path))


def test_plausible_looks_at_the_length_and_the_brace() -> None:
    data = save({"a": np.zeros(2, np.float32)})
    assert plausible(data[:4096], len(data))
    assert not plausible(data[:4096], 20)
    assert not plausible(b"GGUF" + data[4:], len(data))
    assert not plausible(b"", 0)
