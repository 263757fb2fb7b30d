"""The faults of an APR file, of its dialects, and of a model in shards."""

from __future__ import annotations

import json
from struct import pack
from typing import Any

from conformance.scripts.invalid._apr_file import (
    COLUMN_MAJOR,
    FEED,
    HIDDEN,
    LZ4,
    METADATA,
    NAMES,
    Q4_K,
    ROW_MAJOR,
    SHAPES,
    TOKENS,
    U8,
    ZSTD,
    apr,
    apr1,
    entry,
    footed,
    manifest,
    nbytes,
    payload,
    places,
    shard,
    text,
    v1,
    values,
    with_entry,
    wrapped,
    zstd_zeros,
)
from conformance.scripts.invalid._fault import DAMAGED, SIGN, U32, U64, UNSUPPORTED, Fault, control

BASE = apr()
UP, DOWN, LAST = "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight", NAMES[-1]
DATA = len(BASE) - 4 - len(payload())
INDEX = BASE.index(pack("<H", len(NAMES[0])) + NAMES[0].encode(), 64)
FLIPPED = BASE[:9] + bytes([BASE[9] ^ 1]) + BASE[10:]


def _with(**keys: Any) -> bytes:
    """The file with metadata keys changed; __ stands for a dot."""
    return apr(keys={name.replace("__", "."): value for name, value in keys.items()})


def _twice(key: str, value: Any) -> bytes:
    return apr(metadata=text(METADATA)[:-1] + f',"{key}":{json.dumps(value)}}}'.encode())


def _filled(value: float) -> bytes:
    return apr(data=payload(replaced={UP: values(HIDDEN * FEED - 1, 5) + pack("<f", value)}))


_HEADER = [
    Fault("empty", "the file has no bytes at all", "magic", DAMAGED, b""),
    Fault("magic-of-another-format", "the magic is none of the dialects'", "magic", DAMAGED, apr(magic=b"APRX")),
    Fault("magic-lower-case", "the magic is in lower case", "magic", DAMAGED, apr(magic=b"apr\0")),
    Fault("cut-in-header", "the file ends inside its header", "header", DAMAGED, BASE[:63]),
    Fault("cut-behind-magic", "the file ends behind its magic", "header", DAMAGED, BASE[:4]),
    Fault("header-checksum-wrong", "one bit of the tensor count is turned", "header", DAMAGED, FLIPPED),
    Fault("column-major", "a flag says that data is column-major", "header", UNSUPPORTED, apr(flags=COLUMN_MAJOR)),
    Fault("column-major-and-row-major", "flags say both layouts", "header", UNSUPPORTED,
          apr(flags=COLUMN_MAJOR | ROW_MAJOR)),
]  # fmt: skip

_METADATA = [
    Fault("metadata-past-the-end", "the metadata is 2^32 - 1 bytes long", "metadata", DAMAGED, apr(meta=U32)),
    Fault("metadata-offset-overflows", "offset and size of the metadata are small when cut to 64 bits", "metadata",
          DAMAGED, apr(meta_at=U64)),
    Fault("metadata-of-no-bytes", "the metadata is 0 bytes long", "metadata", DAMAGED, apr(meta=0)),
    Fault("metadata-a-list", "the metadata is a JSON array", "metadata", DAMAGED, apr(metadata=b"[]")),
    Fault("metadata-cut", "the metadata's JSON ends inside a list", "metadata", DAMAGED,
          apr(metadata=b'{"tokenizer.vocabulary":["a"')),
    Fault("metadata-not-utf-8", "the metadata is not UTF-8", "metadata", DAMAGED,
          apr(metadata=text(METADATA).replace(b"vector", b"vect\xf6r"))),
    Fault("metadata-with-byte-order-mark", "the metadata begins with a byte order mark", "metadata", DAMAGED,
          apr(metadata=b"\xef\xbb\xbf" + text(METADATA))),
    Fault("metadata-with-zero-byte", "a zero byte follows the metadata's object", "metadata", DAMAGED,
          apr(metadata=text(METADATA) + b"\0")),
    Fault("metadata-with-trailing-comma", "a comma follows the last key", "metadata", DAMAGED,
          apr(metadata=text(METADATA)[:-1] + b",}")),
    Fault("metadata-nests-128-levels", "the metadata nests one level deeper than the format allows", "metadata",
          DAMAGED, apr(metadata=text(METADATA)[:-1] + b',"x":' + b"[" * 127 + b"]" * 127 + b"}")),
    Fault("metadata-nests-20000-levels", "the metadata nests 20,000 levels deep", "metadata", DAMAGED,
          apr(metadata=b'{"x":' + b"[" * 20_000)),
    Fault("metadata-with-nan", "a number is NaN", "metadata", DAMAGED,
          apr(metadata=text(METADATA)[:-1] + b',"x":NaN}')),
    Fault("metadata-with-1e400", "a number is larger than any double", "metadata", DAMAGED,
          apr(metadata=text(METADATA)[:-1] + b',"x":1e400}')),
    Fault("metadata-with-lone-surrogate", "a string holds half a surrogate pair", "metadata", DAMAGED,
          apr(metadata=text(METADATA)[:-1] + b',"x":"\\ud800"}')),
    Fault("width-a-string", "hidden_size is a string", "metadata", DAMAGED, _with(hidden_size="8")),
    Fault("width-negative", "hidden_size is negative", "metadata", DAMAGED, _with(hidden_size=-8)),
    Fault("layers-a-fraction", "num_layers is 1.0", "metadata", DAMAGED, _with(num_layers=1.0)),
    Fault("heads-true", "num_heads is true", "metadata", DAMAGED, _with(num_heads=True)),
    Fault("vocabulary-2-to-the-64", "vocab_size does not fit 64 bits", "metadata", DAMAGED, _with(vocab_size=U64 + 1)),
    Fault("rope-type-2-to-the-32", "rope_type does not fit 32 bits", "metadata", DAMAGED, _with(rope_type=U32 + 1)),
    Fault("model-type-null", "model_type is null", "metadata", DAMAGED,
          apr(metadata=text({**METADATA, "model_type": None}))),
    Fault("architecture-an-object", "architecture is an object", "metadata", DAMAGED,
          _with(architecture={"family": "llama"})),
    Fault("template-a-list", "chat_template is a list", "metadata", DAMAGED, _with(chat_template=[{"name": "a"}])),
    Fault("special-token-an-object", "a special token is an object", "metadata", DAMAGED,
          _with(special_tokens={"bos_token": {"content": "<s>"}})),
    Fault("quantization-incomplete", "quantization lacks its bits", "metadata", DAMAGED,
          _with(quantization={"quant_type": "q4", "symmetric": True})),
    Fault("key-twice", "hidden_size is there twice", "metadata", "", _twice("hidden_size", HIDDEN)),
    Fault("key-under-two-names", "the width is there as hidden_size and as d_model", "metadata", "",
          _with(d_model=HIDDEN)),
]  # fmt: skip

_INDEX = [
    Fault("cut-in-index", "the file ends inside the first entry", "index", DAMAGED, BASE[: INDEX + 20]),
    Fault("cut-before-data", "the file ends where the data should begin", "index", DAMAGED, BASE[:DATA]),
    Fault("cut-in-data", "the file ends inside the last tensor", "index", DAMAGED, BASE[:-60]),
    Fault("index-past-the-end", "the index begins behind the end of the file", "index", DAMAGED, apr(index_at=U64)),
    Fault("tensors-2-to-the-32-less-1", "2^32 - 1 tensors are announced", "index", DAMAGED, apr(count=U32)),
    Fault("tensors-one-more", "one tensor more is announced than there are", "index", DAMAGED,
          apr(count=len(NAMES) + 1)),
    Fault("dtype-99", "a tensor's dtype is not defined", "index", DAMAGED, with_entry(UP, dtype=99)),
    Fault("dtype-of-ggml", "a tensor's dtype is GGML's number for Q5_K", "index", DAMAGED, with_entry(UP, dtype=13)),
    Fault("dtype-2", "a tensor's dtype is 2, two things to two readers", "index", DAMAGED, with_entry(UP, dtype=2)),
    Fault("names-not-sorted", "the names descend", "index", DAMAGED,
          apr(index=[entry(n, SHAPES[n], places()[n], nbytes(n)) for n in reversed(NAMES)])),
    Fault("name-twice", "two tensors have one name", "index", DAMAGED,
          apr(index=[entry(UP if n == "model.layers.0.post_attention_layernorm.weight" else n, SHAPES[n],
                           places()[n], nbytes(n)) for n in NAMES])),
    Fault("names-not-utf-8-and-alike", "two names are not UTF-8 and the same when repaired", "index", DAMAGED,
          apr(index=[entry(b"\xfe", (6,), 0, 24), entry(b"\xff", (6,), 64, 24)], data=values(32, 1))),
    Fault("shape-larger-than-size", "the shape takes more bytes than the tensor has", "index", DAMAGED,
          with_entry(UP, FEED, HIDDEN + 1)),
    Fault("shape-overflows-to-the-size", "the shape takes 2^64 bytes more than the tensor has", "index", DAMAGED,
          with_entry(UP, (1 << 59) + FEED, HIDDEN)),
    Fault("shape-with-0-overflows", "a dimension of 0 beside one of 2^64 - 1", "index", DAMAGED,
          with_entry(UP, 0, U64, size=0)),
    Fault("dimensions-255", "a tensor has 255 dimensions", "index", DAMAGED, with_entry(UP, *([2] * 255))),
    Fault("blocks-against-size", "rows of 16 values in Q4_K take whole blocks of 256", "index", DAMAGED,
          with_entry(DOWN, dtype=Q4_K)),
    Fault("offset-past-the-end", "a tensor begins behind the end of the file", "index", DAMAGED,
          with_entry(UP, at=1 << 40)),
    Fault("offset-2-to-the-63", "a tensor begins at 2^63", "index", DAMAGED, with_entry(UP, at=SIGN)),
    Fault("offset-overflows", "a tensor's offset and the start of the data are 0 when cut to 64 bits", "index",
          DAMAGED, with_entry(UP, at=(1 << 64) - DATA)),
    Fault("size-2-to-the-64-less-1", "a tensor is 2^64 - 1 bytes long", "index", DAMAGED,
          with_entry(UP, U64, size=U64, dtype=U8)),
    Fault("tensors-overlap", "a tensor begins inside the one before it", "index", DAMAGED,
          with_entry(UP, at=places()[UP] - 64)),
    Fault("data-in-the-index", "the data begins inside the index", "index", DAMAGED, apr(data_at=INDEX)),
    Fault("offset-unaligned", "the last tensor begins 4 bytes behind a multiple of 64", "alignment", "",
          apr(index=[entry(n, SHAPES[n], at + 4 * (n == LAST), nbytes(n)) for n, at in places().items()])),
    Fault("data-unaligned", "the data begins 4 bytes behind a multiple of 64", "alignment", "",
          apr(data_at=DATA + 4, data=bytes(4) + payload())),
    Fault("data-changed", "one bit of a tensor is turned: the footer's checksum is another", "checksum", "",
          BASE[: DATA + 9] + bytes([BASE[DATA + 9] ^ 1]) + BASE[DATA + 10 :]),
    Fault("checksum-changed", "one bit of the footer's checksum is turned", "checksum", "",
          BASE[:-1] + bytes([BASE[-1] ^ 1])),
    Fault("checksum-cut", "the file ends inside its footer", "checksum", "", BASE[:-2]),
    Fault("bytes-behind-the-footer", "64 bytes follow the footer", "checksum", "", BASE + bytes(64)),
]  # fmt: skip

_LZ4_LIE = pack("<I", U32) + b"\xff" * 16
_PACKED = [
    Fault("lz4-announces-4-gib", "20 bytes announce 4 GiB once unpacked", "metadata", DAMAGED,
          apr(flags=ROW_MAJOR | LZ4, metadata=_LZ4_LIE, meta=40)),
    Fault("lz4-none", "a flag says LZ4, what follows is none", "metadata", DAMAGED,
          apr(flags=ROW_MAJOR | LZ4, metadata=b"\x40\0\0\0" + b"\xf0" * 16, meta=40)),
    Fault("zstd-none", "a flag says zstd, what follows is none", "metadata", DAMAGED,
          apr(flags=ROW_MAJOR | ZSTD, metadata=b"nothing of the kind")),
    Fault("zstd-bomb", "16 KiB of zstd unpack to 512 MiB of zeros", "metadata", DAMAGED,
          apr(flags=ROW_MAJOR | ZSTD, metadata=zstd_zeros(4096), data=b"", index=[])[:-4]),
    Fault("wrapped-zstd-bomb", "an APR1 wrapper announces 1 GiB and 16 KiB of zstd hold 512 MiB of it", "header",
          DAMAGED, wrapped(2, 1 << 30, zstd_zeros(4096))),
    Fault("wrapped-lz4-announces-4-gib", "an APR1 wrapper's 30 bytes announce 4 GiB", "header", DAMAGED,
          wrapped(1, U32, pack("<I", U32) + b"\xf0APR1" + bytes(20))),
    Fault("wrapped-length-wrong", "an APR1 wrapper announces one byte more than it holds", "header", DAMAGED,
          wrapped(0, len(apr1()) + 1, apr1())),
]  # fmt: skip

_OLDER = [
    Fault("v1-cut-in-header", "a v1 file ends inside its header", "header", DAMAGED, v1()[:30]),
    Fault("v1-checksum-wrong", "one bit of a v1 payload is turned", "checksum", DAMAGED,
          v1()[:-8] + b"\1" + v1()[-7:]),
    Fault("v1-version-2", "a v1 file is of version 2", "header", UNSUPPORTED, v1(major=2)),
    Fault("v1-type-2-to-the-16-less-1", "a v1 file's model type is not defined", "header", DAMAGED, v1(kind=0xFFFF)),
    Fault("v1-over-1-gib", "a v1 payload is over 1 GiB once unpacked", "header", DAMAGED, v1(plain=(1 << 30) + 1)),
    Fault("v1-compression-9", "a v1 payload's compression is not defined", "header", DAMAGED, v1(packing=9)),
    Fault("v1-payload-past-the-end", "a v1 payload is 2^32 - 1 bytes long", "header", DAMAGED, v1(stored=U32)),
    Fault("v1-metadata-past-the-end", "a v1 file's metadata is 2^32 - 1 bytes long", "header", DAMAGED, v1(meta=U32)),
    Fault("v1-metadata-no-map", "a v1 file's metadata is a number", "header", DAMAGED, v1(metadata=b"\x01")),
    Fault("v1-metadata-map-of-2-to-the-32", "a v1 file's metadata announces 2^32 - 1 keys", "header", DAMAGED,
          v1(metadata=b"\xdf\xff\xff\xff\xff")),
    Fault("v1-metadata-nests-10000-levels", "a v1 file's metadata nests 10,000 levels deep", "header", DAMAGED,
          v1(metadata=b"\x91" * 10_000)),
    Fault("v1-signature-missing", "a v1 file says that it is signed and is not", "checksum", UNSUPPORTED, v1(flags=2)),
    Fault("v1-signature-wrong", "a v1 file's signature is of other bytes", "checksum", UNSUPPORTED,
          footed(v1(flags=2)[:-4] + bytes(64) + b"\x3b" + bytes(31))),
    Fault("apr1-metadata-past-the-end", "an APR1 file's metadata is longer than the file", "header", DAMAGED,
          b"APR1" + pack("<I", 1 << 20) + b'{"a":1}' + bytes(40)),
    Fault("apr1-index-none", "an APR1 file's index is no list", "header", DAMAGED, apr1(index={"w": 1})),
    Fault("apr1-shape-against-size", "an APR1 tensor's shape takes more bytes than it has", "header", DAMAGED,
          apr1(index=[{"name": "w", "dtype": "F32", "shape": [2, 4], "offset": 0, "size": 24}])),
    Fault("apr1-offset-negative", "an APR1 tensor begins before the data", "header", DAMAGED,
          apr1(index=[{"name": "w", "dtype": "F32", "shape": [2, 3], "offset": -8, "size": 24}])),
    Fault("apr1-data-cut", "an APR1 tensor ends behind the file", "header", DAMAGED, apr1(data=bytes(8))),
    Fault("apr1-checksum-wrong", "one bit of an APR1 file's data is turned", "checksum", "",
          apr1()[:-8] + b"\1" + apr1()[-7:]),
    Fault("whisper-cut-in-table", "a whisper.apr file announces 65,535 tensors", "header", DAMAGED,
          pack("<4sHBBBHB10I", b"APR1", 1, 0, 0, 0, 0xFFFF, 0, *([1] * 10)) + bytes(96)),
]  # fmt: skip

_MODEL = [
    Fault("scores-fewer-than-tokens", "a SentencePiece vocabulary with nine scores for ten tokens", "tokenizer", "",
          _with(tokenizer__model_type="SentencePiece", tokenizer__model="llama", tokenizer__merges=None,
                tokenizer__scores=[0.5] * 9)),
    Fault("types-more-than-tokens", "eleven token types for ten tokens", "tokenizer", "",
          _with(tokenizer__token_type=[1] * 11)),
    Fault("merges-missing", "a byte-level vocabulary without merges", "tokenizer", "", _with(tokenizer__merges=None)),
    Fault("merge-of-no-token", "a merge makes what is no token", "tokenizer", "",
          _with(tokenizer__merges=["a b", "b c"])),
    Fault("merge-of-one-part", "a merge names one part only", "tokenizer", "",
          _with(tokenizer__merges=["a b", "abc"])),
    Fault("tokens-not-strings", "a token is a number: all ids behind it shift", "tokenizer", "",
          _with(tokenizer__vocabulary=[*TOKENS[:4], 5, *TOKENS[5:]])),
    Fault("tokens-more-than-rows", "more tokens than the embedding has rows", "tokenizer", "",
          _with(tokenizer__vocabulary=[*TOKENS, "d"], tokenizer__token_type=None)),
    Fault("bos-past-the-tokens", "the id of <s> is the number of tokens", "tokenizer", "",
          _with(tokenizer__bos_token_id=10)),
    Fault("layers-missing", "no key says how many layers there are", "config", "", _with(num_layers=None)),
    Fault("heads-0", "the number of heads is 0", "config", "", _with(num_heads=0)),
    Fault("width-against-shapes", "hidden_size is not the width of the tensors", "config", "",
          _with(hidden_size=HIDDEN * 2)),
    Fault("layers-2-to-the-63", "2^63 layers, the tensors are those of one", "config", "", _with(num_layers=SIGN)),
    Fault("layers-2-tensors-of-1", "two layers, the tensors are those of one", "architecture", "",
          _with(num_layers=2)),
    Fault("tensor-missing", "up_proj is not there", "architecture", "",
          apr(names=[n for n in NAMES if n != UP], data=payload([n for n in NAMES if n != UP]))),
    Fault("nan", "one value of up_proj is NaN", "nan", "", _filled(float("nan"))),
    Fault("infinity", "one value of up_proj is infinite", "inf", "", _filled(float("inf"))),
    Fault("zeros", "every value of up_proj is 0", "all zero", "",
          apr(data=payload(replaced={UP: bytes(4 * HIDDEN * FEED)}))),
]  # fmt: skip

_FIRST, _SECOND, _LIST = "m-00000-of-00002.apr", "m-00001-of-00002.apr", "m.apr.json"
_A, _B = (shard(0, NAMES[:6]), NAMES[:6]), (shard(1, NAMES[6:]), NAMES[6:])
_GOOD = {_FIRST: _A, _SECOND: _B}


def _sharded(told: bytes, **files: bytes) -> dict[str, bytes]:
    return {_LIST: told, **(files or {_FIRST: _A[0], _SECOND: _B[0]})}


def _listing(**changes: Any) -> dict[str, bytes]:
    """Both shards, and a manifest whose second entry is changed."""
    told = json.loads(manifest(_GOOD))
    told["shards"][1].update(changes)
    return _sharded(text(told))


_SHARDS = [
    Fault("shard-missing", "a shard of the manifest is not there", "header", DAMAGED,
          {_LIST: manifest(_GOOD), _FIRST: _A[0]}, _LIST),
    Fault("shard-in-another-folder", "the manifest names a shard by a path that leaves the folder", "header", DAMAGED,
          _listing(filename="../" + _SECOND), _LIST),
    Fault("shard-by-absolute-path", "the manifest names a shard by an absolute path", "header", DAMAGED,
          _listing(filename="/etc/hostname"), _LIST),
    Fault("shard-of-another-size", "a shard is not as long as the manifest says", "header", DAMAGED,
          _listing(size=1), _LIST),
    Fault("shard-listed-twice", "the manifest has two shards of one number", "header", DAMAGED,
          _listing(index=0), _LIST),
    Fault("shard-without-a-tensor-of-the-list", "a shard lacks a tensor that the manifest gives it", "header", DAMAGED,
          {_LIST: manifest({_FIRST: _A, _SECOND: (shard(1, NAMES[7:]), NAMES[6:])}), _FIRST: _A[0],
           _SECOND: shard(1, NAMES[7:])}, _LIST),
    Fault("shard-of-three", "a shard says that it is one of three", "header", DAMAGED,
          {_LIST: manifest({_FIRST: _A, _SECOND: (shard(1, NAMES[6:], shard_count=3), NAMES[6:])}), _FIRST: _A[0],
           _SECOND: shard(1, NAMES[6:], shard_count=3)}, _LIST),
    Fault("manifest-counts-wrong", "the manifest counts three shards and lists two", "header", DAMAGED,
          _sharded(manifest(_GOOD, shard_count=3)), _LIST),
    Fault("manifest-map-contradicts-list", "the manifest's map has a tensor in the other shard", "header", DAMAGED,
          _sharded(manifest(_GOOD, weight_map={**dict.fromkeys(NAMES[:6], 0), **dict.fromkeys(NAMES[6:], 0)})), _LIST),
    Fault("sibling-missing", "a shard is opened without the other", "index", DAMAGED, {_FIRST: _A[0]}, _FIRST),
    Fault("sibling-damaged", "the other shard ends inside its data", "index", DAMAGED,
          {_FIRST: _A[0], _SECOND: _B[0][:-70]}, _FIRST),
    Fault("tensor-in-two-shards", "both shards hold one of the tensors", "index", DAMAGED,
          {_FIRST: shard(0, NAMES[:7]), _SECOND: _B[0]}, _FIRST),
]  # fmt: skip

VALID = [
    control("whole", BASE),
    control("v1", v1(), error=UNSUPPORTED),
    control("apr1", apr1()),
    control("wrapped", wrapped(0, len(apr1()), apr1())),
    control("shards", {_LIST: manifest(_GOOD), _FIRST: _A[0], _SECOND: _B[0]}, _LIST),
]
FAULTS = [*_HEADER, *_METADATA, *_INDEX, *_PACKED, *_OLDER, *_MODEL, *_SHARDS]
