from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import lz4.block
import numpy as np
import pytest
import zstandard

from hub.errors import DamagedFile
from hub.ir import ENCODINGS
from hub_apr._packing import CHUNK, Cache, PackedRows, Payload, pack_chunks, pack_table, planes_of
from hub_apr.container import MemoryImage

rng = np.random.default_rng(7)
HERE = Path("model.apr")


def packed(raw: bytes, codec: str, planes: int) -> bytes:
    marks, chunks = zip(*pack_chunks([raw[:1000], raw[1000:]], codec, planes), strict=True)
    return pack_table(len(raw), list(marks)) + b"".join(chunks)


def payload(data: bytes, raw: int, codec: str, planes: int) -> Payload:
    return Payload(MemoryImage(HERE, data), 0, len(data), raw, codec, planes, Cache(), "w")


def weights(rows: int, columns: int) -> bytes:
    return (rng.standard_normal((rows, columns)) * 0.02).astype(np.float32).tobytes()


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("planes", [1, 2, 4])
def test_any_rows_come_back(codec: str, planes: int) -> None:
    raw = weights(1500, 600)  # over three chunks, whose edges are inside rows
    rows = PackedRows(payload(packed(raw, codec, planes), len(raw), codec, planes), 1500, 2400)
    whole = np.frombuffer(raw, np.uint8).reshape(1500, 2400)
    for start, stop in [(0, 1500), (0, 1), (1499, 1500), (436, 438), (700, 700)]:
        assert np.array_equal(rows.read(start, stop), whole[start:stop])
    assert np.array_equal(rows.take(np.array([1400, 3, 3])).read(), whole[[1400, 3, 3]])


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_any_number_of_threads_packs_the_same_and_holds_little(codec: str) -> None:
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield bytes([number]) * (CHUNK // 2) + raw

    raw = weights(CHUNK // 8, 1)
    one = list(pack_chunks(pieces(), codec, 4))
    assert taken == len(one) == 30
    taken, three = 0, []
    for number, chunk in enumerate(pack_chunks(pieces(), codec, 4, jobs=3)):
        assert taken <= number + 2 * 3 + 1
        three.append(chunk)
    assert three == one


def test_the_layout_is_the_documented_one() -> None:
    raw = weights(1, 300_000) + rng.bytes(CHUNK)  # the second half does not shrink
    data = packed(raw, "zstd", 4)
    total, step, count = struct.unpack_from("<QII", data)
    assert (total, step, count) == (len(raw), CHUNK, -(-len(raw) // CHUNK))
    at, out = 16 + 4 * count, b""
    for stored in struct.unpack_from(f"<{count}I", data, 16):
        size, as_is = stored & 0x7FFFFFFF, stored >> 31
        chunk = data[at : at + size]
        at += size
        if not as_is:
            planes = zstandard.ZstdDecompressor().decompress(chunk)
            chunk = b"".join(planes[i :: len(planes) // 4] for i in range(len(planes) // 4))
        out += chunk
    assert (at, out) == (len(data), raw)


def test_floats_split_in_planes_shrink() -> None:
    raw = weights(100, 3000)
    assert len(packed(raw, "zstd", 4)) < 0.9 * len(raw)
    assert len(packed(raw, "zstd", 4)) < len(packed(raw, "zstd", 1))
    names = ("F32", "BF16", "F64", "Q4_K", "U8", "F8_E4M3")
    assert [planes_of(ENCODINGS[name]) for name in names] == [4, 2, 8, 1, 1, 1]


def damaged(codec: str) -> dict[str, bytes]:
    raw = b"abcd" * 500_000
    whole = bytearray(packed(raw, codec, 1))
    first = 16 + 4 * 2
    long_frame = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    long_block = lz4.block.compress(bytes(50_000_000), store_size=False)
    bomb = long_frame if codec == "zstd" else long_block
    return {
        "empty": b"",
        "inside the head": bytes(whole[:10]),
        "inside the table": bytes(whole[:20]),
        "inside a chunk": bytes(whole[:-5]),
        "more behind": bytes(whole) + b"x",
        "raw size": struct.pack("<Q", 7) + bytes(whole[8:]),
        "chunk size zero": bytes(whole[:8]) + bytes(4) + bytes(whole[12:]),
        "chunk size huge": bytes(whole[:8]) + b"\xff\xff\xff\xff" + bytes(whole[12:]),
        "many chunks": bytes(whole[:12]) + b"\xff\xff\xff\xff" + bytes(whole[16:]),
        "flipped": bytes(whole[:first]) + bytes(b ^ 0x5A for b in whole[first : first + 9]) + bytes(whole[first + 9 :]),
        "bomb": pack_table(2_000_000, [len(bomb), 4]) + bomb + b"1234",
        "as it is, short": pack_table(2_000_000, [4 | 1 << 31, 4 | 1 << 31]) + b"12341234",
    }


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("kind", sorted(damaged("zstd")))
def test_damaged_payloads(codec: str, kind: str) -> None:
    with pytest.raises(DamagedFile) as caught:
        list(payload(damaged(codec)[kind], 2_000_000, codec, 1).read(0, 2_000_000))
    assert caught.value.tensor == "w"
