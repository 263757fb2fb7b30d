"""The faults of a GGUF file. Offsets and counts are those of ggml's gguf.h."""

from __future__ import annotations

from struct import pack

from conformance.scripts.invalid._fault import DAMAGED, MISSING, SIGN, U32, U64, UNSUPPORTED, Fault, control
from conformance.scripts.invalid._gguf_file import (
    ALIGNMENT,
    ARRAY,
    BOOL,
    F32,
    FEED,
    HIDDEN,
    KEYS,
    MERGES,
    PARTS,
    Q4_0,
    SHAPES,
    STRING,
    TOKENS,
    U8,
    UINT64,
    array,
    entry,
    floats,
    gguf,
    header_size,
    ints,
    part,
    payload,
    places,
    string,
    text,
    texts,
    u32,
    values,
)

BASE = gguf()
NAMES = tuple(SHAPES)
LAST = NAMES[-1]
UP, DOWN = "blk.0.ffn_up.weight", "blk.0.ffn_down.weight"
END = places(NAMES)[LAST]
DATA = header_size()
INDEX = BASE.index(string(NAMES[0]))


def _with_key(name: str, value: bytes | None) -> bytes:
    return gguf(keys={name: value})


def _with_entry(name: str, *shape: int, at: int | None = None, kind: int = F32, dims: int | None = None) -> bytes:
    where = places(NAMES)[name] if at is None else at
    return gguf(index={name: entry(name, shape or SHAPES[name], where, kind, dims)})


def _nested(levels: int) -> bytes:
    """An array of an array of ... of one byte."""
    inner = pack("<IQ", U8, 1) + b"\1"
    for _ in range(levels):
        inner = pack("<IQ", ARRAY, 1) + inner
    return pack("<I", ARRAY) + inner


def _filled(name: str, value: float) -> bytes:
    count = HIDDEN * FEED
    raw = bytearray(values(count, 3))
    raw[4 * 9 : 4 * 10] = pack("<f", value)
    return gguf(data=payload(NAMES, **{name: bytes(raw)}))


_HEADER = [
    Fault("empty", "the file has no bytes at all", "magic", DAMAGED, b""),
    Fault("cut-in-magic", "the file ends after three bytes", "magic", DAMAGED, BASE[:3]),
    Fault("magic-of-another-format", "the magic is GGJT's", "magic", DAMAGED, gguf(magic=b"tjgg")),
    Fault("magic-reversed", "the magic stands backwards", "magic", DAMAGED, gguf(magic=b"FUGG")),
    Fault("magic-lower-case", "the magic is in lower case", "magic", DAMAGED, gguf(magic=b"gguf")),
    Fault("cut-in-version", "the file ends inside the version", "header", DAMAGED, BASE[:6]),
    Fault("version-0", "version 0 never was", "header", UNSUPPORTED, gguf(version=0)),
    Fault("version-1", "version 1 has counts of 32 bits", "header", UNSUPPORTED, gguf(version=1)),
    Fault("version-4", "version 4 is not written yet", "header", UNSUPPORTED, gguf(version=4)),
    Fault("version-2-to-the-32-less-1", "the version is all ones", "header", UNSUPPORTED, gguf(version=U32)),
    Fault("cut-in-counts", "the file ends between the two counts", "header", DAMAGED, BASE[:16]),
    Fault("tensors-2-to-the-63", "2^63 tensors are announced", "header", DAMAGED, gguf(n_tensors=SIGN)),
    Fault("tensors-2-to-the-64-less-1", "2^64 - 1 tensors are announced", "header", DAMAGED, gguf(n_tensors=U64)),
    Fault("tensors-many", "more tensors than the file has bytes", "header", DAMAGED, gguf(n_tensors=100_000)),
    Fault("keys-2-to-the-63", "2^63 keys are announced", "header", DAMAGED, gguf(n_keys=SIGN)),
    Fault("keys-many", "more keys than the file has bytes", "header", DAMAGED, gguf(n_keys=100_000)),
]

_METADATA = [
    Fault("cut-in-key", "the file ends inside the last key's name", "metadata", DAMAGED, BASE[: INDEX - 20]),
    Fault("cut-in-value", "the file ends inside the last value", "metadata", DAMAGED, BASE[: INDEX - 2]),
    Fault("key-missing-in-count", "one key more is announced than there are", "metadata", DAMAGED,
          gguf(n_keys=len(KEYS) + 1, n_tensors=0, names=(), data=b"")),
    Fault("key-name-2-to-the-63", "a key's name is 2^63 bytes long", "metadata", DAMAGED,
          gguf(n_keys=len(KEYS) + 1, more_keys=pack("<Q", SIGN) + b"general.tags")),
    Fault("key-empty", "a key has no name", "metadata", DAMAGED, _with_key("", u32(1))),
    Fault("key-twice", "general.architecture is there twice", "metadata", DAMAGED,
          gguf(n_keys=len(KEYS) + 1, more_keys=string("general.architecture") + text("qwen2"))),
    Fault("key-not-utf-8", "a key's name is not UTF-8", "metadata", DAMAGED,
          gguf(n_keys=len(KEYS) + 1, more_keys=string(b"general.\xff\xfe") + u32(1))),
    Fault("value-type-13", "a value is of a type that is not defined", "metadata", DAMAGED,
          _with_key("general.extra", pack("<II", 13, 0))),
    Fault("value-type-2-to-the-32-less-1", "a value's type is all ones", "metadata", DAMAGED,
          _with_key("general.extra", pack("<II", U32, 0))),
    Fault("string-2-to-the-63", "a string is 2^63 bytes long", "metadata", DAMAGED,
          _with_key("general.name", pack("<IQ", STRING, SIGN) + b"vector")),
    Fault("string-longer-than-file", "a string is one byte longer than the file", "metadata", DAMAGED,
          _with_key("general.name", pack("<IQ", STRING, len(BASE) + 1) + b"vector")),
    Fault("string-not-utf-8", "a string is not UTF-8", "metadata", DAMAGED,
          _with_key("general.name", text(b"caf\xe9"))),
    Fault("boolean-2", "a boolean is 2", "metadata", DAMAGED, _with_key("general.flag", pack("<IB", BOOL, 2))),
    Fault("array-2-to-the-63", "an array of bytes has 2^63 elements", "metadata", DAMAGED,
          _with_key("general.extra", array(U8, b"\0" * 8, SIGN))),
    Fault("array-size-overflows", "an array's elements take 2^64 + 8 bytes, 8 when cut to 64 bits", "metadata",
          DAMAGED, _with_key("general.extra", array(UINT64, b"\0" * 8, (1 << 61) + 1))),
    Fault("array-type-13", "an array is of a type that is not defined", "metadata", DAMAGED,
          _with_key("general.extra", array(13, b"\0", 1))),
    Fault("array-nests-17-levels", "arrays nest 17 levels deep", "metadata", DAMAGED,
          _with_key("general.extra", _nested(17))),
    Fault("array-nests-1000-levels", "arrays nest 1,000 levels deep", "metadata", DAMAGED,
          _with_key("general.extra", _nested(1000))),
    Fault("array-string-past-the-end", "a string in an array ends behind the file", "metadata", DAMAGED,
          _with_key("general.tags", array(STRING, pack("<Q", 1 << 20) + b"tag", 1))),
    Fault("array-string-not-utf-8", "a string in an array is not UTF-8", "metadata", DAMAGED,
          _with_key("general.tags", texts([b"tag", b"\xc3\x28"]))),
    Fault("array-boolean-2", "a boolean in an array is 2", "metadata", DAMAGED,
          _with_key("general.flags", array(BOOL, b"\0\1\2", 3))),
    Fault("alignment-0", "general.alignment is 0", "metadata", DAMAGED, _with_key("general.alignment", u32(0))),
    Fault("alignment-24", "general.alignment is no power of two", "metadata", DAMAGED,
          _with_key("general.alignment", u32(24))),
    Fault("alignment-2-to-the-31", "general.alignment is 2 GiB", "metadata", DAMAGED,
          _with_key("general.alignment", u32(1 << 31))),
    Fault("alignment-a-string", "general.alignment is a string", "metadata", DAMAGED,
          _with_key("general.alignment", text("32"))),
    Fault("architecture-missing", "no key says the architecture", "metadata", "",
          _with_key("general.architecture", None)),
    Fault("architecture-a-number", "general.architecture is a number", "metadata", "",
          _with_key("general.architecture", u32(7))),
]  # fmt: skip

_INDEX = [
    Fault("cut-in-index", "the file ends inside the first tensor's entry", "index", DAMAGED, BASE[: INDEX + 30]),
    Fault("cut-before-data", "the file ends where the data should begin", "index", DAMAGED, BASE[:DATA]),
    Fault("cut-in-data", "the file ends inside the last tensor", "index", DAMAGED, BASE[: DATA + END + 100]),
    Fault("tensor-name-twice", "two tensors have one name", "index", DAMAGED,
          gguf(index={UP: entry(DOWN, SHAPES[UP], places(NAMES)[UP])})),
    Fault("tensor-name-not-utf-8", "a tensor's name is not UTF-8", "index", DAMAGED,
          gguf(index={UP: entry(b"blk.0.ffn_\xff.weight", SHAPES[UP], places(NAMES)[UP])})),
    Fault("tensor-name-2-to-the-63", "a tensor's name is 2^63 bytes long", "index", DAMAGED,
          gguf(index={UP: pack("<Q", SIGN) + entry(UP, SHAPES[UP], places(NAMES)[UP])[8:]})),
    Fault("dimensions-5", "a tensor has five dimensions", "index", DAMAGED, _with_entry(UP, HIDDEN, FEED, 1, 1, 1)),
    Fault("dimensions-2-to-the-32-less-1", "a tensor has 2^32 - 1 dimensions", "index", DAMAGED,
          _with_entry(UP, dims=U32)),
    Fault("size-2-to-the-63", "a dimension is 2^63", "index", DAMAGED, _with_entry(UP, HIDDEN, SIGN)),
    Fault("shape-overflows-to-0", "the product of the dimensions is 2^64, 0 when cut to 64 bits", "index", DAMAGED,
          _with_entry(UP, 1 << 32, 1 << 32)),
    Fault("bytes-overflow", "2^62 values of 4 bytes are 2^64 bytes, 0 when cut to 64 bits", "index", DAMAGED,
          _with_entry(UP, 1 << 31, 1 << 31)),
    Fault("shape-with-0-overflows", "a dimension of 0 beside two whose product is 2^64", "index", DAMAGED,
          _with_entry(UP, 1 << 32, 1 << 32, 0)),
    Fault("encoding-43", "a tensor is in an encoding that is not defined", "index", DAMAGED, _with_entry(UP, kind=43)),
    Fault("encoding-2-to-the-32-less-1", "a tensor's encoding is all ones", "index", DAMAGED,
          _with_entry(UP, kind=U32)),
    Fault("encoding-withdrawn", "a tensor is in Q4_2, which was withdrawn", "index", UNSUPPORTED,
          _with_entry(UP, kind=4)),
    Fault("row-of-part-of-a-block", "rows of 8 values in Q4_0, whose blocks have 32", "index", DAMAGED,
          _with_entry(UP, kind=Q4_0)),
    Fault("tensor-larger-than-file", "a tensor has more rows than the file has bytes", "index", DAMAGED,
          _with_entry(LAST, HIDDEN, 1 << 20)),
    Fault("offset-past-the-end", "a tensor begins behind the end of the file", "index", DAMAGED,
          _with_entry(UP, at=1 << 40)),
    Fault("offset-2-to-the-63", "a tensor begins at 2^63", "index", DAMAGED, _with_entry(UP, at=SIGN)),
    Fault("offset-overflows", "a tensor's offset and the start of the data are 0 when cut to 64 bits", "index",
          DAMAGED, _with_entry(UP, at=(1 << 64) - DATA)),
    Fault("offset-of-another-tensor", "two tensors begin at one byte", "index", DAMAGED,
          _with_entry(UP, at=places(NAMES)[DOWN])),
    Fault("tensors-overlap", "a tensor begins inside the one before it", "index", DAMAGED,
          _with_entry(DOWN, at=places(NAMES)[DOWN] - ALIGNMENT)),
    Fault("split-part-without-its-name", "a part of two under a name that says nothing of parts", "index", DAMAGED,
          part(0, NAMES[:6])),
    Fault("offset-unaligned", "the last tensor begins 4 bytes behind a multiple of 32", "alignment", DAMAGED,
          gguf(index={LAST: entry(LAST, SHAPES[LAST], END + 4)}, data=payload(NAMES) + bytes(ALIGNMENT))),
    Fault("offset-aligned-to-less", "general.alignment is 128, the tensors begin at multiples of 32", "alignment",
          DAMAGED, gguf(keys={"general.alignment": u32(128)}, data=bytes(-DATA % 128) + payload(NAMES))),
]  # fmt: skip

_TOKENIZER = [
    Fault("types-fewer-than-tokens", "nine token types for ten tokens", "tokenizer", DAMAGED,
          _with_key("tokenizer.ggml.token_type", ints([1] * 9))),
    Fault("scores-more-than-tokens", "eleven scores for ten tokens", "tokenizer", DAMAGED,
          _with_key("tokenizer.ggml.scores", floats([0.5] * 11))),
    Fault("scores-missing", "a SentencePiece vocabulary without scores", "tokenizer", "",
          gguf(keys={"tokenizer.ggml.model": text("llama"), "tokenizer.ggml.merges": None})),
    Fault("merges-missing", "a byte-level vocabulary without merges", "tokenizer", "",
          _with_key("tokenizer.ggml.merges", None)),
    Fault("merge-of-no-token", "a merge makes what is no token", "tokenizer", "",
          _with_key("tokenizer.ggml.merges", texts([*MERGES, "b c"]))),
    Fault("merge-of-one-part", "a merge names one part only", "tokenizer", "",
          _with_key("tokenizer.ggml.merges", texts([*MERGES, "abc"]))),
    Fault("tokens-missing", "a tokenizer is named, its tokens are not there", "tokenizer", DAMAGED,
          _with_key("tokenizer.ggml.tokens", None)),
    Fault("tokens-none", "the list of tokens is empty", "tokenizer", "",
          gguf(keys={"tokenizer.ggml.tokens": texts([]), "tokenizer.ggml.token_type": None,
                     "tokenizer.ggml.merges": texts([]), "tokenizer.ggml.bos_token_id": None,
                     "tokenizer.ggml.eos_token_id": None})),
    Fault("tokens-a-string", "the list of tokens is one string", "tokenizer", DAMAGED,
          _with_key("tokenizer.ggml.tokens", text("abc"))),
    Fault("tokens-numbers", "the tokens are numbers", "tokenizer", DAMAGED,
          _with_key("tokenizer.ggml.tokens", ints(list(range(10))))),
    Fault("merges-numbers", "the merges are numbers", "tokenizer", DAMAGED,
          _with_key("tokenizer.ggml.merges", ints([1, 2, 3]))),
    Fault("types-strings", "the token types are strings", "tokenizer", DAMAGED,
          _with_key("tokenizer.ggml.token_type", texts(["1"] * 10))),
    Fault("bos-past-the-tokens", "the id of <s> is the number of tokens", "tokenizer", "",
          _with_key("tokenizer.ggml.bos_token_id", u32(10))),
    Fault("eos-2-to-the-32-less-1", "the id of </s> is all ones", "tokenizer", "",
          _with_key("tokenizer.ggml.eos_token_id", u32(U32))),
    Fault("eos-a-string", "the id of </s> is a string", "tokenizer", DAMAGED,
          _with_key("tokenizer.ggml.eos_token_id", text("9"))),
    Fault("tokens-more-than-rows", "more tokens than the embedding has rows", "tokenizer", "",
          gguf(keys={"tokenizer.ggml.tokens": texts([*TOKENS, "d"]),
                     "tokenizer.ggml.token_type": ints([1] * 8 + [3, 3, 1])})),
]  # fmt: skip

_CONFIG = [
    Fault("layers-missing", "no key says how many layers there are", "config", MISSING,
          _with_key("llama.block_count", None)),
    Fault("layers-a-string", "the number of layers is a string", "config", DAMAGED,
          _with_key("llama.block_count", text("1"))),
    Fault("layers-2-to-the-32-less-1", "2^32 - 1 layers, the tensors are those of one", "config", "",
          _with_key("llama.block_count", u32(U32))),
    Fault("heads-0", "the number of heads is 0", "config", DAMAGED, _with_key("llama.attention.head_count", u32(0))),
    Fault("width-against-shapes", "embedding_length is not the width of the tensors", "config", "",
          _with_key("llama.embedding_length", u32(HIDDEN * 2))),
    Fault("feed-forward-against-shapes", "feed_forward_length is not that of the tensors", "config", "",
          _with_key("llama.feed_forward_length", u32(FEED + 1))),
    Fault("epsilon-a-string", "the norms' epsilon is a string", "config", DAMAGED,
          _with_key("llama.attention.layer_norm_rms_epsilon", text("1e-5"))),
    Fault("heads-missing", "no key says how many heads there are", "config", MISSING,
          _with_key("llama.attention.head_count", None)),
    Fault("width-missing", "no key says how wide the model is", "config", MISSING,
          _with_key("llama.embedding_length", None)),
    Fault("layers-2-tensors-of-1", "two layers, the tensors are those of one", "architecture", "",
          _with_key("llama.block_count", u32(2))),
    Fault("tensor-missing", "ffn_up is not there", "architecture", "",
          gguf(names=[name for name in NAMES if name != UP],
               data=payload([name for name in NAMES if name != UP]))),
    Fault("tensor-of-no-family", "a tensor that llama has no use for", "architecture", "",
          gguf(index={"blk.0.bogus.weight": entry("blk.0.bogus.weight", (8,), len(payload(NAMES)))},
               data=payload(NAMES) + values(8, 99))),
    Fault("nan", "one value of ffn_up is NaN", "nan", "", _filled("ffn_up", float("nan"))),
    Fault("infinity", "one value of ffn_up is infinite", "inf", "", _filled("ffn_up", float("inf"))),
    Fault("zeros", "every value of ffn_up is 0", "all zero", "",
          gguf(data=payload(NAMES, ffn_up=bytes(4 * HIDDEN * FEED)))),
]  # fmt: skip

_FIRST, _SECOND = "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"
_SPLIT = [
    Fault("split-part-missing", "the second of two parts is not there", "index", DAMAGED,
          {_FIRST: part(0, NAMES[:6])}, _FIRST),
    Fault("split-part-twice", "the first part is there under both names", "index", DAMAGED,
          {_FIRST: part(0, NAMES[:6]), _SECOND: part(0, NAMES[:6])}, _FIRST),
    Fault("split-tensor-in-two-parts", "both parts hold one of the tensors", "index", DAMAGED,
          {_FIRST: part(0, NAMES[:7]), _SECOND: part(1, NAMES[6:])}, _FIRST),
    Fault("split-tensor-in-no-part", "the parts hold one tensor fewer than they state", "index", DAMAGED,
          {_FIRST: part(0, NAMES[:6]), _SECOND: part(1, NAMES[7:])}, _FIRST),
    Fault("split-part-of-three", "the second part says that it is one of three", "index", DAMAGED,
          {_FIRST: part(0, NAMES[:6]), _SECOND: part(1, NAMES[6:], count=PARTS + 1)}, _FIRST),
    Fault("split-part-damaged", "the second part ends inside its data", "index", DAMAGED,
          {_FIRST: part(0, NAMES[:6]), _SECOND: part(1, NAMES[6:])[:-40]}, _FIRST),
]  # fmt: skip

VALID = [
    control("whole", BASE),
    control("split", {_FIRST: part(0, NAMES[:6]), _SECOND: part(1, NAMES[6:])}, _FIRST),
]
FAULTS = [*_HEADER, *_METADATA, *_INDEX, *_TOKENIZER, *_CONFIG, *_SPLIT]
