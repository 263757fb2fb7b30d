"""Damaged files: each is refused with the byte and the expectation, quickly, without large allocations."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path
from struct import pack

import pytest

from hub.errors import DamagedFile
from hub_gguf.container import read_header

HUGE = 1 << 60


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return pack("<Q", len(data)) + data


def key(name: str | bytes = "k", kind: int = 4, data: bytes = b"\1\0\0\0") -> bytes:
    return text(name) + pack("<I", kind) + data


def entry(name: str = "t", sizes: tuple[int, ...] = (8, 2), kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def build(
    keys: list[bytes], entries: list[bytes], n_keys: int | None = None, n_tensors: int | None = None,
    magic: bytes = b"GGUF", data: int = 128, align: int = 32,
) -> bytes:  # fmt: skip
    counts = (len(entries) if n_tensors is None else n_tensors, len(keys) if n_keys is None else n_keys)
    head = magic + pack("<IQQ", 3, *counts) + b"".join(keys) + b"".join(entries)
    return head + bytes(-len(head) % align) + bytes(data)


def array(item: int, n: int, data: bytes = b"") -> bytes:
    return pack("<IQ", item, n) + data


def nested(depth: int) -> bytes:
    return array(9, 1) * depth + array(4, 0)


DAMAGE: dict[str, tuple[bytes, str]] = {
    "magic": (build([], [], magic=b"GGML"), r"byte 0: the file begins with b'GGML'"),
    "empty file": (b"", r"byte 0: the magic takes 4 bytes, the file has 0 more"),
    "huge number of tensors": (build([], [entry()], n_tensors=HUGE), r"byte 8: number of tensors is \d+: at least"),
    "huge number of keys": (build([key()], [], n_keys=HUGE), r"byte 16: number of keys is \d+: at least"),
    "one key too many": (
        build([key(kind=8, data=text("abcdefgh"))], [], n_keys=2, data=0, align=1), r"byte 53: length of key 1 takes 8"
    ),
    "huge key": (build([pack("<Q", HUGE)], []), r"byte 24: length of key 0 is 1152921504606846976"),
    "long key": (build([key("k" * 70000)], []), r"byte 24: key 0 is 70000 bytes long, at most 65535"),
    "empty key": (build([key("")], []), r"byte 24: key 0, '', is empty"),
    "duplicate key": (build([key(), key()], []), r"byte 41: key 1, 'k', is a duplicate"),
    "key that is not UTF-8": (build([key(b"k\xff")], []), r"byte 33: key 0 is not UTF-8"),
    "unknown value type": (build([key(kind=13)], []), r"byte 33: type of 'k' is 13, 0 to 12 were expected"),
    "boolean of 2": (build([key(kind=7, data=b"\2")], []), r"byte 37: 'k' is 2, a boolean is 0 or 1"),
    "huge string": (build([key(kind=8, data=pack("<Q", HUGE))], []), r"byte 37: length of 'k' is"),
    "string that is not UTF-8": (build([key(kind=8, data=text(b"ab\xc3"))], []), r"byte 47: 'k' is not UTF-8"),
    "huge array": (build([key(kind=9, data=array(4, HUGE))], []), r"byte 41: length of 'k' is 1152921504606846976"),
    "array beyond the end": (build([key(kind=9, data=array(4, 40))], []), r"length of 'k' is 40: at least 160 bytes"),
    "unknown element type": (build([key(kind=9, data=array(99, 0))], []), r"element type of 'k' is 99"),
    "huge string in an array": (
        build([key(kind=9, data=array(8, 2, text("a") + pack("<Q", HUGE)))], []), r"byte 58: string 1 of 'k' is"
    ),
    "huge array of arrays": (build([key(kind=9, data=array(9, HUGE))], []), r"length of 'k' is 1152921504606846976"),
    "arrays nested 10,000 deep": (build([key(kind=9, data=nested(10000))], []), r"'k' nests too far; at most 16"),
    "many arrays in an array": (
        build([key(kind=9, data=array(9, 100000) + array(4, 0) * 100000)], []), r"'k' nests too far; at most 16"
    ),
    "alignment of 0": (build([key("general.alignment", 4, pack("<I", 0))], []), r"general.alignment is 0 \(UINT32\)"),
    "alignment of 48": (build([key("general.alignment", 4, pack("<I", 48))], []), r"general.alignment is 48"),
    "alignment beyond the file": (
        build([key("general.alignment", 4, pack("<I", 1 << 20))], [entry()]), r"ends at byte 1048640, the file has"
    ),
    "huge alignment": (build([key("general.alignment", 4, pack("<I", 1 << 31))], []), r"is 2147483648 \(UINT32\)"),
    "alignment of another type": (build([key("general.alignment", 10, pack("<Q", 32))], []), r"is 32 \(UINT64\)"),
    "duplicate tensor": (build([], [entry(), entry(offset=64)]), r"tensor 1 has the name 't', which an earlier one"),
    "five dimensions": (build([], [entry(sizes=(1, 1, 1, 1, 1))]), r"byte 33: 't' has 5 dimensions, at most 4"),
    "huge number of dimensions": (build([], [text("t") + pack("<I", 2**32 - 1)]), r"'t' has 4294967295 dimensions"),
    "shape that overflows": (build([], [entry(sizes=(1 << 40, 1 << 40))]), r"byte 37: tensor 't' has shape"),
    "shape that overflows 64 bits to 0": (build([], [entry(sizes=(1 << 32, 1 << 32))]), r"no file can hold"),
    "unknown encoding": (build([], [entry(kind=999)]), r"byte 53: tensor 't' has encoding 999"),
    "rows of broken blocks": (build([], [entry(sizes=(8, 32), kind=2)]), r"rows of 8 values, Q4_0 needs a mult"),
    "misaligned tensor": (build([], [entry(offset=8)]), r"tensor 't': is at offset 8, a multiple of 32 was expected"),
    "tensor beyond the end": (build([], [entry(sizes=(8, 5))]), r"tensor 't': ends at byte 256, the file has 224"),
    "offset beyond the end": (build([], [entry(offset=1 << 63)]), r"tensor 't': ends at byte 9223372036854775968"),
    "overlapping tensors": (
        build([], [entry("a"), entry("b", offset=32)]), r"tensor 'b': begins at byte 160, inside 'a'"
    ),
    "tensor name that is not UTF-8": (build([], [text(b"\xff") + bytes(36)]), r"byte 32: name of tensor 0 is not"),
}  # fmt: skip


def whole() -> bytes:
    keys = [
        key("general.architecture", 8, text("toy")),
        key("tokens", 9, array(8, 3, text("a") + text("bb") + text("ccc"))),
        key("numbers", 9, array(6, 4, bytes(16))),
        key("nested", 9, array(9, 1) + array(0, 2, b"\1\2")),
    ]
    return build(keys, [entry("a"), entry("b", (4,), offset=64)], data=96)


def refused(path: Path, data: bytes) -> DamagedFile:
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFile) as caught:
            read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert caught.value.file == str(path)
    assert caught.value.offset is not None
    return caught.value


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_refused_where_it_is(tmp_path: Path, kind: str) -> None:
    data, expected = DAMAGE[kind]
    refused(tmp_path / "bad.gguf", data).with_traceback(None)
    with pytest.raises(DamagedFile, match=expected):
        read_header(tmp_path / "bad.gguf")


def test_the_undamaged_twin_is_read(tmp_path: Path) -> None:
    (tmp_path / "good.gguf").write_bytes(whole())
    assert [i.name for i in read_header(tmp_path / "good.gguf").tensors] == ["a", "b"]


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    data = whole()
    for end in range(len(data) - 16):
        refused(tmp_path / "cut.gguf", data[:end])


def test_a_header_that_claims_a_sparse_file_is_refused_in_little_memory(tmp_path: Path) -> None:
    """40 GB of nothing: lengths that the file does have room for are not allocated either."""
    bodies = [
        build([key(kind=8, data=pack("<Q", 30 << 30))], []),
        build([key(kind=9, data=array(8, 1 << 31))], []),
        build([key(kind=9, data=array(8, 1, pack("<Q", 30 << 30)))], []),
        build([], [], n_keys=1 << 31),
        build([], [], n_tensors=1 << 30),
    ]
    for body in bodies:
        path = tmp_path / "sparse.gguf"
        path.write_bytes(body)
        with path.open("r+b") as file:
            file.truncate(40 << 30)
        code = f"""
import resource
from hub.errors import DamagedFile
from hub_gguf.container import read_header
before = resource.getrusage(resource.RUSAGE_SELF)
try:
    read_header({str(path)!r})
except DamagedFile as error:
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(after.ru_maxrss - before.ru_maxrss, after.ru_utime - before.ru_utime, error)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        grown, seconds, _ = done.stdout.split(maxsplit=2)
        assert int(grown) < 20_000
        assert float(seconds) < 1
