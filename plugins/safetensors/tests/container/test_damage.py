"""Files that contradict themselves: each gets one line with file, place and expectation, in bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from hub.errors import DamagedFile
from hub.ir import File
from hub_safetensors.container import read_header


def _entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def _file(header: Any, payload: int = 8, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + bytes(payload)


GOOD = _file({"a": _entry()})
DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000

DAMAGE = {
    "empty file": (b"", "8 bytes was expected"),
    "cut in the length": (GOOD[:7], "8 bytes was expected"),
    "cut after the length": (GOOD[:8], "was announced"),
    "cut in the header": (GOOD[:30], "was announced"),
    "cut before the payload": (GOOD[:-8], "ends at byte"),
    "cut in the payload": (GOOD[:-1], "ends at byte"),
    "bytes at the end": (GOOD + b"\0", "1 bytes follow the last tensor"),
    "huge length": (_file({"a": _entry()}, length=1 << 63), "at most 100000000"),
    "length over the limit": (_file({"a": _entry()}, length=100_000_001), "at most 100000000"),
    "empty header": (_file(b"", length=0), "begins with '{'"),
    "another magic": (_file(b"[1]     "), "begins with '{'"),
    "not JSON": (_file(b'{"a":{"dtype":"F32",,'), "not JSON"),
    "two documents": (_file(b"{} {}"), "not JSON"),
    "zeros": (_file(b"{" + bytes(100)), "zero byte"),
    "bad UTF-8": (_file(b'{"\xff\xfe":1}'), "UTF-8"),
    "lone surrogate": (_file(b'{"\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'), "Unicode"),
    "deep": (_file(DEEP), "nests too deep"),
    "deep list": (_file(b'{"a":' + b"[" * 100_000), "nests too deep"),
    "long number": (_file(b'{"a":' + b"9" * 10_000 + b"}"), "beyond all sizes"),
    "name twice": (_file(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{}}'), "names 'a' twice"),
    "key twice": (_file(b'{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}'), "'dtype' twice"),
    "metadata not strings": (_file({"__metadata__": {"x": 1}, "a": _entry()}), "strings only"),
    "metadata a list": (_file({"__metadata__": [], "a": _entry()}), "strings only"),
    "entry a number": (_file({"a": 3}), "dtype, shape and data_offsets"),
    "key missing": (_file({"a": {"dtype": "F32", "shape": [2]}}), "dtype, shape and data_offsets"),
    "key too many": (_file({"a": {**_entry(), "x": 1}}), "dtype, shape and data_offsets"),
    "unknown dtype": (_file({"a": _entry("F33")}), "unknown dtype 'F33'"),
    "dtype a list": (_file({"a": _entry([])}), "unknown dtype"),
    "negative size": (_file({"a": _entry(shape=[-2])}), "list of sizes"),
    "fraction": (_file({"a": _entry(shape=[2.0])}), "list of sizes"),
    "true": (_file({"a": _entry(shape=[True])}), "list of sizes"),
    "backwards": (_file({"a": _entry(offsets=[8, 0])}), "a start and an end"),
    "three offsets": (_file({"a": _entry(offsets=[0, 8, 8])}), "a start and an end"),
    "out of range": (_file({"a": _entry(offsets=[0, 1 << 62])}), "ends at byte"),
    "shape against size": (_file({"a": _entry(shape=[3])}), "takes 12 bytes, not 8"),
    "huge shape": (_file({"a": _entry(shape=[1 << 40, 1 << 40])}), "takes"),
    "overlap": (_file({"a": _entry(), "b": _entry(offsets=[4, 12])}, 12), "overlaps 'a'"),
    "same bytes": (_file({"a": _entry(), "b": _entry()}), "overlaps 'a'"),
    "hole": (_file({"a": _entry(), "b": _entry(offsets=[12, 20])}, 20), "4 unused bytes after 'a'"),
    "hole at the start": (_file({"a": _entry(offsets=[4, 12])}, 12), "unused bytes after 'the header'"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named(tmp_path: Path, kind: str) -> None:
    data, expected = DAMAGE[kind]
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(DamagedFile) as caught:
        read_header(File(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    line = str(caught.value)
    assert expected in line
    assert "damaged.safetensors" in line
    assert caught.value.offset is not None
    assert "\n" not in line
    assert peak < 8 << 20


def test_a_long_header_that_is_a_hole_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as out:
        out.write((99_000_000).to_bytes(8, "little") + b"{")
        out.truncate(99_000_008)
    tracemalloc.start()
    with pytest.raises(DamagedFile, match="zero byte"):
        read_header(File(path))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["two documents", "bad UTF-8", "unknown dtype", "overlap"])
def test_the_offset_points_at_the_fault(tmp_path: Path, kind: str) -> None:
    data, _ = DAMAGE[kind]
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(DamagedFile) as caught:
        read_header(File(path))
    assert caught.value.offset is not None
    at = data[caught.value.offset :]
    start = {"two documents": b"{}", "bad UTF-8": b"\xff", "unknown dtype": b'"a"', "overlap": bytes(8)}
    assert at.startswith(start[kind])
