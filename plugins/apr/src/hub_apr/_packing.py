"""Tensors packed in chunks that unpack one by one.

The layout of a payload, little-endian:

    u64 raw bytes | u32 raw bytes per chunk | u32 chunks | chunks x u32 stored bytes | the chunks

The top bit of a stored length marks a chunk kept as it is because it would not shrink. With `planes` k > 1 each chunk
is split first: the first bytes of all k-byte values, then the second bytes, and so on. zstd chunks are frames, lz4
chunks raw blocks.
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from hub.errors import DamagedFile
from hub.ir import Bytes, Encoding, Rows
from hub_apr.container import Image

CHUNK = 1 << 20
CODECS = ("lz4", "zstd")
_HEAD = struct.Struct("<QII")
_AS_IS = 1 << 31
_CACHED = 8  # unpacked chunks kept per file
_LARGEST_CHUNK = 16 << 20


def planes_of(encoding: Encoding) -> int:
    """Bytes of a value that splitting into planes helps: those of plain floats; 1 for everything else."""
    return encoding.nbytes if encoding.kind == "float" and encoding.block == 1 else 1


def split(raw: bytes, planes: int) -> bytes:
    """The first bytes of all values, then the second bytes ..."""
    return raw if planes == 1 else np.frombuffer(raw, np.uint8).reshape(-1, planes).T.tobytes()


def joined(data: bytes, planes: int) -> bytes:
    """What `split` was given."""
    return data if planes == 1 else np.frombuffer(data, np.uint8).reshape(planes, -1).T.tobytes()


def compressor(codec: str) -> Callable[[bytes], bytes]:
    """A function that compresses one chunk."""
    if codec == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=3).compress
    import lz4.block

    return lambda data: bytes(lz4.block.compress(data, store_size=False))


def chunks_of(nbytes: int, chunk: int = CHUNK) -> int:
    """Chunks that `nbytes` raw bytes take."""
    return -(-nbytes // chunk)


def table_size(nbytes: int) -> int:
    """Bytes before the first chunk of a payload."""
    return _HEAD.size + 4 * chunks_of(nbytes)


def pack_table(nbytes: int, stored: list[int]) -> bytes:
    """The bytes before the first chunk, given the stored lengths with their marks."""
    return _HEAD.pack(nbytes, CHUNK, len(stored)) + struct.pack(f"<{len(stored)}I", *stored)


def pack_chunks(pieces: Iterable[bytes], codec: str, planes: int, jobs: int = 1) -> Iterator[tuple[int, bytes]]:
    """Cut `pieces` into chunks and pack each: its length with its mark for the table, and its bytes.

    `jobs` threads pack; no more than two chunks for each of them are held at a time, and the order is that of `pieces`.
    """
    local = threading.local()  # a compressor of zstd is for one thread

    def pack(raw: bytes) -> tuple[int, bytes]:
        if not hasattr(local, "compress"):
            local.compress = compressor(codec)
        data: bytes = local.compress(split(raw, planes))
        return (len(data), data) if len(data) < len(raw) else (len(raw) | _AS_IS, raw)

    with ThreadPoolExecutor(jobs) as threads:
        waiting: deque[Future[tuple[int, bytes]]] = deque()
        for raw in _chunks(pieces):
            if len(waiting) == 2 * jobs:
                yield waiting.popleft().result()
            waiting.append(threads.submit(pack, raw))
        while waiting:
            yield waiting.popleft().result()


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= CHUNK:
            yield bytes(held[:CHUNK])
            del held[:CHUNK]
    if held:
        yield bytes(held)


class Cache:
    """The chunks unpacked last, over all tensors of a file; rows are read in order, so few are enough."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int], make: Callable[[], bytes]) -> bytes:
        """The chunk under `key`, made when it is not there. Two threads may make one at once; neither waits."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        data = make()
        with self._lock:
            self._held[key] = data
            while len(self._held) > _CACHED:
                self._held.popitem(last=False)
        return data


@dataclass
class Payload:
    """A packed tensor in `image`: `size` bytes from `offset`, holding `raw` bytes; `tensor` names it in errors."""

    image: Image
    offset: int
    size: int
    raw: int
    codec: str
    planes: int
    cache: Cache
    tensor: str
    _table: tuple[int, list[tuple[int, int, bool]]] | None = field(default=None, repr=False)

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The raw bytes from `start` to `stop`, in pieces of a chunk."""
        step, table = self._chunks()
        for number in range(start // step, -(-stop // step)) if stop > start else ():
            low = number * step
            data = self.cache.get((self.offset, number), lambda n=number: self._unpack(n, step, table[n]))  # type: ignore[misc]
            yield data[max(0, start - low) : stop - low]

    def check(self) -> None:
        """`DamagedFile` unless the chunk table fits the payload and the tensor; no chunk is read."""
        self._chunks()

    def _chunks(self) -> tuple[int, list[tuple[int, int, bool]]]:
        """Raw bytes per chunk; position, length and as-it-is mark of each. Read once, checked against the sizes."""
        if self._table is None:
            raw, step, count = _HEAD.unpack(self._read(0, _HEAD.size))
            if raw != self.raw or not 0 < step <= _LARGEST_CHUNK or step % self.planes or count != chunks_of(raw, step):
                raise self._damaged(f"{count} chunks of {step} bytes do not hold {self.raw} bytes", 0)
            stored = struct.unpack(f"<{count}I", self._read(_HEAD.size, 4 * count))
            sizes = [n & ~_AS_IS for n in stored]
            starts = np.cumsum([_HEAD.size + 4 * count, *sizes]).tolist()
            if starts[-1] != self.size:
                raise self._damaged(f"the chunks end at {starts[-1]}, the payload at {self.size}", _HEAD.size)
            self._table = step, [(a, n, bool(m & _AS_IS)) for a, n, m in zip(starts, sizes, stored, strict=False)]
        return self._table

    def _unpack(self, number: int, step: int, chunk: tuple[int, int, bool]) -> bytes:
        at, size, as_is = chunk
        expected = min(step, self.raw - number * step)
        data = self._read(at, size)
        data = data if as_is else self._decompress(data, expected, at)
        if len(data) != expected:
            raise self._damaged(f"chunk {number} holds {len(data)} bytes, {expected} were expected", at)
        return data if as_is else joined(data, self.planes)

    def _decompress(self, data: bytes, expected: int, at: int) -> bytes:
        import lz4.block
        import zstandard

        try:
            if self.codec == "lz4":
                return bytes(lz4.block.decompress(data, uncompressed_size=expected))
            if zstandard.frame_content_size(data) != expected:
                raise self._damaged(f"a chunk of {expected} bytes was expected", at)
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=expected)
        except (zstandard.ZstdError, lz4.block.LZ4BlockError, ValueError) as error:
            raise self._damaged(f"a {self.codec} chunk is damaged: {error}", at) from None

    def _read(self, at: int, nbytes: int) -> bytes:
        if at + nbytes > self.size:
            raise self._damaged(f"{nbytes} bytes were expected, the payload has {self.size}", at)
        return self.image.read(self.offset + at, nbytes)

    def _damaged(self, message: str, at: int) -> DamagedFile:
        return DamagedFile(message, file=self.image.path, offset=self.offset + at, tensor=self.tensor)


class PackedRows(Rows):
    """Rows of a packed tensor; only the chunks that hold the asked rows are unpacked."""

    def __init__(self, payload: Payload, n: int, width: int) -> None:
        self.payload, self.n, self.width = payload, n, width

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        flat, at = out.reshape(-1), 0
        for piece in self.payload.read(start * self.width, stop * self.width):
            flat[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
            at += len(piece)
