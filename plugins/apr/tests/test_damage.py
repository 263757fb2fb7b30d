"""Damaged files: one clear line each, in bounded memory, before anything is allocated on the file's word."""

from __future__ import annotations

import contextlib
import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import lz4.block
import pytest
import zstandard

from hub.errors import DamagedFile, HubError, UnsupportedFile
from hub.interface import Options
from hub.ir import ENCODINGS, Config, Lazy, Model, Tensor, Tokenizer
from hub_apr import APR
from hub_apr.container import parse_header

Forge = Callable[..., Path]
Write = Callable[..., Path]

pytestmark = pytest.mark.timeout(30)

F32, U8 = 0, 7
HUGE = (1 << 64) - 1
ZEROS = bytes(200_000_000)
LIMIT = 100 << 20


def entry(name: bytes, dtype: int, shape: tuple[int, ...], offset: int, size: int) -> bytes:
    head = struct.pack("<H", len(name)) + name + bytes([dtype, len(shape)])
    return head + struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<QQ", offset, size)


def deep(levels: int) -> bytes:
    return b'{"d":' + b"[" * levels + b"]" * levels + b"}"


def with_index(*entries: bytes, data: int = 64) -> Callable[[Forge], Path]:
    def make(forge: Forge) -> Path:
        filler = [("filler", U8, (data,), bytes(data))]
        return forge({}, filler, index=b"".join(entries), header={"tensor_count": len(entries)})

    return make


def with_metadata(text: bytes) -> Callable[[Forge], Path]:
    return lambda forge: forge(text, [("w", F32, (2,), bytes(8))])


def with_header(**fields: object) -> Callable[[Forge], Path]:
    return lambda forge: forge({}, [("w", F32, (2,), bytes(8))], header=fields)


def bad_crc(forge: Forge) -> Path:
    path = forge({}, [("w", F32, (2,), bytes(8))])
    data = bytearray(path.read_bytes())
    data[9] ^= 1
    path.write_bytes(data)
    return path


# What is wrong: how to make it, and what the message says.
DAMAGE: dict[str, tuple[Callable[[Forge], Path], str]] = {
    "wrong magic": (with_header(magic=b"APRX"), "magic is b'APRX'"),
    "wrong header checksum": (bad_crc, "header checksum is"),
    "column-major": (with_header(flags=0x0800), "LAYOUT_COLUMN_MAJOR"),
    "column-major and row-major": (with_header(flags=0x0C00), "LAYOUT_COLUMN_MAJOR"),
    "metadata past the end": (with_header(metadata_size=0xFFFFFFFF), "the metadata lies at 64 to 4294967359"),
    "metadata offset overflows": (with_header(metadata_offset=HUGE), "the metadata lies at"),
    "no metadata": (with_header(metadata_size=0), "not JSON"),
    "metadata nests 10,000 deep": (with_metadata(deep(10_000)), "more than 127 nested levels"),
    "metadata nests a million deep": (with_metadata(deep(1_000_000)), "more than 127 nested levels"),
    "metadata is a list": (with_metadata(b"[]"), "a JSON list, an object was expected"),
    "metadata is not UTF-8": (with_metadata(b'{"a":"\xff"}'), "not JSON.*utf-8"),
    "metadata has a byte order mark": (with_metadata(b"\xef\xbb\xbf{}"), "BOM|byte order|not JSON"),
    "metadata has NaN": (with_metadata(b'{"a":NaN}'), "NaN is not a JSON number"),
    "metadata has a huge number": (with_metadata(b'{"a":' + b"9" * 5000 + b"}"), "number out of range"),
    "metadata has a true count": (with_metadata(b'{"hidden_size":true}'), "'hidden_size' is 'True'"),
    "metadata is cut": (with_metadata(b'{"a":[1,2'), "not JSON"),
    "index past the end": (with_header(tensor_index_offset=HUGE), "the tensor index starts at"),
    "huge tensor count": (with_header(tensor_count=0xFFFFFFFF), "4294967295 tensors are announced"),
    "one tensor too many": (with_header(tensor_count=3), "tensor index|dtype byte|not sorted|twice|inside the index"),
    "unknown dtype": (with_index(entry(b"w", 99, (2,), 0, 8)), "dtype byte 99"),
    "GGML dtype": (with_index(entry(b"w", 13, (256,), 0, 176)), "dtype byte 13 .GGML Q5_K"),
    "unsorted names": (with_index(entry(b"b", F32, (2,), 0, 8), entry(b"a", F32, (2,), 0, 8)), "not sorted"),
    "duplicate names": (with_index(entry(b"a", F32, (2,), 0, 8), entry(b"a", F32, (2,), 16, 8)), "occurs twice"),
    "duplicate names after repair": (
        with_index(entry(b"\xfe", F32, (2,), 0, 8), entry(b"\xff", F32, (2,), 16, 8)), "occurs twice"
    ),
    "size against shape": (with_index(entry(b"w", F32, (3,), 0, 8)), "takes 12 bytes, the index has 8"),
    "shape overflows": (with_index(entry(b"w", F32, (1 << 62, 1 << 62), 0, 8)), "the index has 8"),
    "empty shape overflows": (with_index(entry(b"w", F32, (0, HUGE), 0, 0)), "out of range"),
    "255 dimensions": (with_index(entry(b"w", F32, (2,) * 255, 0, 8)), "the index has 8"),
    "tensor past the end": (with_index(entry(b"w", F32, (2,), 1 << 40, 8)), "cut short"),
    "tensor offset overflows": (with_index(entry(b"w", F32, (2,), HUGE, 8)), "cut short"),
    "tensor a byte past the end": (with_index(entry(b"w", U8, (69,), 0, 69)), "cut short"),
    "partial overlap": (with_index(entry(b"a", U8, (8,), 0, 8), entry(b"b", U8, (8,), 7, 8)), "overlaps that of 'a'"),
    "same bytes as another dtype": (with_index(entry(b"a", U8, (8,), 0, 8), entry(b"b", F32, (2,), 0, 8)), "overlaps"),
    "data in the index": (with_header(data_offset=100), "inside the index|takes|cut short"),
    "LZ4 blob that is none": (
        lambda forge: forge(b"\x04\0\0\0\xff\xff\xff\xff", header={"flags": 0x0401, "metadata_size": 8}), "LZ4|unpacked"
    ),
    "zstd blob that is none": (lambda forge: forge(b"nothing", header={"flags": 0x0402}), "zstd frame is damaged"),
}  # fmt: skip


def refused(path: Path, says: str) -> HubError:
    """The error that reading `path` ends in, its peak memory bounded."""
    tracemalloc.start()
    try:
        with pytest.raises((DamagedFile, UnsupportedFile), match=says) as caught:
            APR().read(path)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()
    error: HubError = caught.value
    assert str(path) in str(error)
    assert "\n" not in str(error)
    assert len(error.message) < 300
    return error


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage(kind: str, forge: Forge) -> None:
    make, says = DAMAGE[kind]
    refused(make(forge), says)


@pytest.mark.parametrize("kind", DAMAGE)
def test_validating_damage_fails_and_does_not_raise(kind: str, forge: Forge) -> None:
    make, _ = DAMAGE[kind]
    outcomes = {f.outcome for f in APR().validate(make(forge))}
    assert "FAIL" in outcomes


def sample() -> Model:
    kinds = {"a": "F32", "b": "Q8_0", "norm": "F16"}
    tensors = {n: Tensor.from_bytes(n, (64,), ENCODINGS[k], bytes(ENCODINGS[k].size((64,)))) for n, k in kinds.items()}
    return Model(tensors, Config({"model_type": "llama"}), files={"README.md": b"x" * 9000}, notes=("room " * 99,))


def test_truncation_at_every_length(write: Write, tmp_path: Path) -> None:
    whole = write(sample()).read_bytes()
    path = tmp_path / "cut.apr"
    needed = len(whole) - 4
    used = max(len(whole[:needed].rstrip(b"\0")), 1)
    for length in [*range(0, 200, 7), *range(200, used, 61)]:
        path.write_bytes(whole[:length])
        with pytest.raises((DamagedFile, UnsupportedFile)):
            APR().read(path)
    for length in (needed, needed + 1, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert len(APR().read(path).tensors) == 3
        assert "PASS" not in {f.outcome for f in APR().validate(path) if f.stage == "checksum"}


def test_any_flipped_byte_is_noticed(write: Write, tmp_path: Path) -> None:
    whole = write(sample()).read_bytes()
    path = tmp_path / "flipped.apr"
    for at in [*range(0, 400, 3), *range(400, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x21]) + whole[at + 1 :])
        assert "FAIL" in {f.outcome for f in APR().validate(path)}, at


def edited(path: Path, **changes: object) -> Path:
    """`path` with other metadata values, checksums right again: the lengths are kept."""
    data = path.read_bytes()
    size = int.from_bytes(data[20:24], "little")
    metadata = {key: value for key, value in json.loads(data[64 : 64 + size]).items() if key != "hub.files"}
    text = json.dumps({**metadata, **changes}, separators=(",", ":")).encode()
    assert len(text) <= size
    data = data[:64] + text.ljust(size) + data[64 + size :]
    path.write_bytes(data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little"))
    return path


ABOUT = {"naming": "hf", "ties": {}, "aliases": {}, "metadata": {}, "notes": []}
OWN = {
    "unknown layout": ({"hub.version": 9}, "layout 9"),
    "no model block": ({"hub.model": {}}, "'hub.model': 'naming' is missing"),
    "ties of another type": ({"hub.model": {**ABOUT, "ties": {"x": {}}}}, "'hub.model': 'ties' is"),
    "a tie to nothing": ({"hub.model": {**ABOUT, "ties": {"x": "y"}}}, "not there"),
    "unknown encoding": ({"hub.encodings": {"Q9": {"b": [64]}}}, "unknown"),
    "shape is no shape": ({"hub.encodings": {"Q8_0": {"b": ["x"]}}}, "no shape"),
    "shape against bytes": ({"hub.encodings": {"Q8_0": {"b": [32]}}}, "takes 34 bytes, 68 are carried"),
    "huge shape": ({"hub.encodings": {"Q8_0": {"b": [1 << 40]}}}, "68 are carried"),
    "a turned vector": ({"hub.encodings": {"Q8_0^T": {"b": [64]}}}, "turns what is no matrix"),
    "turned values": ({"hub.encodings": {"Q8_0^T": {"a": [2, 32]}}}, "turns what is no matrix"),
    "turned against bytes": ({"hub.encodings": {"Q8_0^T": {"b": [4, 32]}}}, "68 are carried"),
    "wrong stand-in": ({"hub.encodings": {"Q8_0": {"a": [64]}}}, "cannot stand for"),
    "unknown codec": ({"hub.packed": {"codec": "rar", "tensors": {}}}, "no codec"),
    "packed entry is none": ({"hub.packed": {"codec": "lz4", "tensors": {"b": ["u8"]}}}, "hub.packed"),
    "packed F32": ({"hub.packed": {"codec": "lz4", "tensors": {"a": ["f32", [64], 4]}}}, "is packed, but F32"),
    "config is a list": ({"hub.config": [1]}, "no object"),
    "files are a number": ({"hub.files": 5}, "no object"),
}


@pytest.mark.parametrize("kind", OWN)
def test_damaged_hub_keys(kind: str, write: Write) -> None:
    changes, says = OWN[kind]
    path = edited(write(sample()), **changes)  # type: ignore[arg-type]
    refused(path, says)
    assert [f.outcome for f in APR().validate(path) if f.stage == "metadata"][-1] == "FAIL"


ODD: list[object] = [
    None,
    0,
    -1,
    1e9,
    1 << 40,
    True,
    "",
    "x",
    [],
    {},
    [[]],
    {"a": 1},
    ["x"],
    [1, 2],
    {"hub.zlib": "", "size": 0},
]


def places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*at, key))


@pytest.mark.parametrize("options", [Options(), Options(compression="lz4")], ids=["plain", "packed"])
def test_any_edit_of_the_metadata_is_read_or_refused(options: Options, write: Write, tmp_path: Path) -> None:
    large = Tensor.from_bytes("large", (64, 64), ENCODINGS["F32"], bytes(range(64)) * 256)
    tokenizer = Tokenizer("bpe", ["a", "b"], scores=[0.5, 1.0], types=[1, 1], merges=["a b"], special={"eos": 1})
    model = replace(sample(), config=Config({"model_type": "gemma2"}), tokenizer=Lazy.of(tokenizer))
    whole = write(replace(model, tensors={**model.tensors, "large": large}), options).read_bytes()
    size, data = int.from_bytes(whole[20:24], "little"), int.from_bytes(whole[24:32], "little")
    text = whole[64 : 64 + size]
    path = tmp_path / "edited.apr"
    for number, at in enumerate([*places(json.loads(text))] * 3):
        metadata = json.loads(text)
        spot = metadata
        for key in at[:-1]:
            spot = spot[key]
        spot[at[-1]] = ODD[number % len(ODD)]
        edit = json.dumps(metadata).encode()
        end = 64 + -(-len(edit) // 64) * 64
        moved = int.from_bytes(whole[32:40], "little") + end - data
        header = parse_header(whole[:64], path)
        head = replace(header, metadata_size=len(edit), tensor_index_offset=end, data_offset=moved).pack()
        path.write_bytes((head + edit).ljust(end, b"\0") + whole[data:])
        with contextlib.suppress(DamagedFile, UnsupportedFile):
            found = APR().read(path)
            (found.tokenizer.get(), found.source.get(), dict(found.files))
            assert [tensor.read() for tensor in found.tensors.values()]
            APR().plan(found, Options())
        assert list(APR().validate(path))


def test_damaged_files_and_source_are_named_when_asked_for(write: Write) -> None:
    path = edited(write(sample()), **{"hub.files": {"README.md": {"hub.zlib": "AAAA", "size": 9}}})
    with pytest.raises(DamagedFile, match=r"hub\.files\.README\.md"):
        APR().read(path).files["README.md"]


def test_a_packed_tensor_that_lies_about_its_size(write: Write) -> None:
    raw = bytes(range(256)) * 4000
    model = Model({"w": Tensor.from_bytes("w", (1000, 256), ENCODINGS["F32"], raw)})
    path = write(model, Options(compression="zstd"))
    tensor = APR().read(path).tensors["w"]
    assert tensor.read() == raw
    data = bytearray(path.read_bytes())
    start = data.find(struct.pack("<QI", len(raw), 1 << 20))
    data[start] ^= 1
    path.write_bytes(data)
    refused(path, "do not hold")
    assert any("do not hold" in f.detail for f in APR().validate(path) if f.outcome == "FAIL")


def test_a_small_frame_that_unpacks_to_much_is_refused(forge: Forge) -> None:
    bomb = zstandard.ZstdCompressor().compress(ZEROS)
    refused(forge(bomb, header={"flags": 0x0402}), "is unpacked to at most")


def v1(payload: bytes, *, uncompressed: int, compression: int, metadata: bytes = b"\x80") -> bytes:
    head = struct.pack(
        "<4sBBHIIIBBB9s", b"APRN", 1, 0, 1, len(metadata), len(payload), uncompressed, compression, 0, 0, b""
    )
    body = head + metadata + payload
    return body + zlib.crc32(body).to_bytes(4, "little")


BOMBS = {
    "zstd longer than announced": (zstandard.ZstdCompressor().compress(ZEROS), 1000, 1),
    "zstd shorter than announced": (zstandard.ZstdCompressor().compress(b"1"), 1000, 1),
    "lz4 longer than announced": (
        struct.pack("<I", 1000) + lz4.block.compress(ZEROS[:9999], store_size=False),
        1000,
        3,
    ),
    "lz4 announces a gigabyte": (struct.pack("<I", 1 << 30) + b"\0" * 30, 1 << 30, 3),
    "stored shorter": (b"12", 3, 0),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_v1_payloads_that_are_not_as_announced(kind: str, tmp_path: Path) -> None:
    from hub_apr.container import V1, open_any

    payload, size, compression = BOMBS[kind]
    path = tmp_path / "v1.apr"
    path.write_bytes(v1(payload, uncompressed=size, compression=compression))
    opened = open_any(path)
    assert isinstance(opened, V1)
    tracemalloc.start()
    with pytest.raises(DamagedFile):
        opened.payload()
    assert tracemalloc.get_traced_memory()[1] < LIMIT
    tracemalloc.stop()


@pytest.mark.parametrize(
    "metadata", [b"\xc1", b"\x91" * 100_000, b"\xdf\xff\xff\xff\xff", b"\x01", b"\x81\xa1\xff\x01"]
)
def test_v1_metadata_that_is_no_map(metadata: bytes, tmp_path: Path) -> None:
    path = tmp_path / "v1.apr"
    path.write_bytes(v1(b"", uncompressed=0, compression=0, metadata=metadata))
    refused(path, "MessagePack")


def apr1(**changes: object) -> bytes:
    entry = {"name": "w", "dtype": "F32", "shape": [2], "offset": 0, "size": 8, **changes}
    return json.dumps([{k: v for k, v in entry.items() if v is not None}]).encode()


OLD = {
    "tensor past the end": (apr1(offset=1 << 40), "cut short"),
    "size against shape": (apr1(shape=[3]), "takes 12 bytes"),
    "negative shape": (apr1(shape=[-2]), "out of range"),
    "negative offset": (apr1(offset=-8), "out of range"),
    "shape of text": (apr1(shape=["x"]), "out of range"),
    "unknown dtype": (apr1(dtype="Q4"), "dtype 'Q4'"),
    "no name": (apr1(name=None), "lacks name"),
    "true size": (apr1(size=True), "takes 8 bytes"),
    "no list": (b'{"a":1}', "no JSON array"),
    "nested": (b"[" * 9999 + b"]" * 9999, "nested"),
}


@pytest.mark.parametrize("kind", OLD)
def test_damaged_apr1(kind: str, tmp_path: Path) -> None:
    index, says = OLD[kind]
    body = b"APR1" + struct.pack("<I", 2) + b"{}" + struct.pack("<II", 1, len(index)) + index + bytes(8)
    path = tmp_path / "old.apr"
    path.write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))
    refused(path, says)


@pytest.mark.parametrize("length", [4, 9, 14, 52, 100])
def test_short_whisper_files(length: int, tmp_path: Path) -> None:
    path = tmp_path / "whisper.apr"
    path.write_bytes((b"APR1" + b"\x01\0\0\0\0\xff\xff\0" + bytes(40))[:length])
    refused(path, "expected here")


def test_shards_that_do_not_fit_together(write: Write, tmp_path: Path) -> None:
    tensors = {f"w{i}": Tensor.from_bytes(f"w{i}", (1000,), ENCODINGS["F32"], bytes(4000)) for i in range(5)}
    first = write(Model(tensors), Options(shard_size=11_000))
    shards = sorted(tmp_path.glob("*.apr"))
    assert len(shards) == 3
    manifest = tmp_path / "model.apr.json"
    told = json.loads(manifest.read_text())

    def broken(says: str, **changes: object) -> None:
        manifest.write_text(json.dumps({**told, **changes}))
        refused(manifest, says)

    broken("counts", shard_count=7)
    broken("counts", tensor_count=0)
    broken("contradict", weight_map=dict.fromkeys(tensors, 0))
    broken("listed twice|missing", shards=[told["shards"][0]] * 3, weight_map=dict.fromkeys(tensors, 0))
    broken("no file beside", shards=[{**s, "filename": "../x.apr"} for s in told["shards"]])
    broken("not beside", shards=[{**s, "filename": "x.apr"} for s in told["shards"]])
    broken("lacks", shards=[{"filename": "x.apr"}] * 3)
    manifest.write_text(json.dumps(told))
    data = shards[1].read_bytes()
    shards[1].write_bytes(data + b"x")
    with pytest.raises(DamagedFile, match="its manifest says"):
        APR().read(manifest)
    shards[1].write_bytes(shards[2].read_bytes())
    with pytest.raises(DamagedFile, match="is shard 2 of 3, 1 of 3 was expected"):
        APR().read(first)
    shards[1].unlink()
    with pytest.raises(DamagedFile, match="1 of 3 shards are missing, the first is model-00001"):
        APR().read(first)
