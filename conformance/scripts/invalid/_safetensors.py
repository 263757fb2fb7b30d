"""The faults of a SafeTensors file, and of a model folder around such files."""

from __future__ import annotations

from struct import pack
from typing import Any

from conformance.scripts.invalid._fault import DAMAGED, MISSING, SIGN, U64, UNSUPPORTED, Fault, control
from conformance.scripts.invalid._safetensors_file import (
    CONFIG,
    FEED,
    HIDDEN,
    INDEX,
    SHAPES,
    SHARDS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    entry,
    file,
    folder,
    sharded,
    text,
    values,
    weights,
)

DATA = values(6, 1)
BASE = file({"w": entry()}, DATA)
HEADER = len(BASE) - len(DATA)
NAMES = tuple(SHAPES)
HALF = len(NAMES) // 2
FIRST, SECOND = NAMES[:HALF], NAMES[HALF:]
UP = "model.layers.0.mlp.up_proj.weight"


def _stated(**changes: Any) -> bytes:
    """The file with another dtype, shape or offsets stated for its one tensor."""
    return file({"w": {**entry(), **changes}}, DATA)


def _raw(header: bytes) -> bytes:
    return file(header, DATA)


def _two(offsets: tuple[int, int], data: int, dtype: str = "F32", shape: tuple[int, ...] = (2,)) -> bytes:
    """Two tensors: the first has bytes 0 to 24, the second `offsets`, and there are `data` bytes."""
    return file({"w": entry(), "x": entry(dtype, shape, offsets)}, values(data // 4, 1) + bytes(data % 4))


_ENTRY = b'{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}'

_HEADER = [
    Fault("empty", "the file has no bytes at all", "magic", DAMAGED, b""),
    Fault("cut-in-length", "the file ends inside the header's length", "magic", DAMAGED, BASE[:7]),
    Fault("cut-after-length", "the file ends behind the header's length", "magic", DAMAGED, BASE[:8]),
    Fault("cut-in-header", "the file ends inside the header", "magic", DAMAGED, BASE[:30]),
    Fault("header-of-no-bytes", "the header's length is 0", "magic", DAMAGED, file(b"", DATA, length=0)),
    Fault("header-2-to-the-63", "the header is 2^63 bytes long", "magic", DAMAGED,
          file({"w": entry()}, DATA, length=SIGN)),
    Fault("header-2-to-the-64-less-8", "the header is 2^64 - 8 bytes long: its end is byte 0 when cut to 64 bits",
          "magic", DAMAGED, file({"w": entry()}, DATA, length=U64 - 7)),
    Fault("header-over-100-mb", "the header is one byte longer than the format allows", "magic", DAMAGED,
          file({"w": entry()}, DATA, length=100_000_001)),
    Fault("header-longer-than-file", "the header ends one byte behind the file", "magic", DAMAGED,
          file({"w": entry()}, DATA, length=len(BASE) - 7)),
    Fault("header-an-array", "the header is a JSON array", "magic", DAMAGED, _raw(b"[" + _ENTRY + b"]")),
    Fault("header-with-byte-order-mark", "the header begins with a byte order mark", "magic", DAMAGED,
          _raw(b"\xef\xbb\xbf" + b'{"w":' + _ENTRY + b"}")),
    Fault("header-begins-with-blank", "a blank stands before the header's brace", "magic", DAMAGED,
          _raw(b' {"w":' + _ENTRY + b"}")),
    Fault("header-with-zero-bytes", "the header is padded with zeros instead of blanks", "magic", DAMAGED,
          _raw(b'{"w":' + _ENTRY + b"}" + bytes(8))),
    Fault("header-cut", "the header's JSON ends inside an entry", "header", DAMAGED, _raw(b'{"w":{"dtype":"F32",')),
    Fault("header-not-utf-8", "a name is not UTF-8", "header", DAMAGED, _raw(b'{"\xff\xfe":' + _ENTRY + b"}")),
    Fault("header-with-trailing-comma", "a comma follows the last entry", "header", DAMAGED,
          _raw(b'{"w":' + _ENTRY + b",}")),
    Fault("header-with-comment", "the header holds a comment", "header", DAMAGED,
          _raw(b'{"w":' + _ENTRY + b"/* one tensor */}")),
    Fault("header-of-two-documents", "a second JSON document follows the first", "header", DAMAGED,
          _raw(b'{"w":' + _ENTRY + b"}{}")),
    Fault("header-nests-5000-levels", "objects nest 5,000 levels deep", "header", DAMAGED,
          _raw(b'{"w":' * 5_000 + b"1" + b"}" * 5_000)),
    Fault("header-lists-nest-20000-levels", "lists nest 20,000 levels deep and never end", "header", DAMAGED,
          _raw(b'{"w":' + b"[" * 20_000)),
    Fault("number-of-5000-digits", "an offset has 5,000 digits", "header", DAMAGED,
          _raw(b'{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,' + b"9" * 5000 + b"]}}")),
    Fault("name-twice", "one name has two entries", "header", DAMAGED,
          _raw(b'{"w":' + _ENTRY + b',"w":' + _ENTRY + b"}")),
    Fault("name-twice-by-escapes", "one name has two entries, the second spelled with an escape", "header", DAMAGED,
          _raw(b'{"w":' + _ENTRY + b',"\\u0077":' + _ENTRY + b"}")),
    Fault("name-with-lone-surrogate", "a name holds half a surrogate pair", "header", DAMAGED,
          _raw(b'{"\\ud800":' + _ENTRY + b"}")),
    Fault("dtype-twice", "an entry states its dtype twice", "header", DAMAGED,
          _raw(b'{"w":{"dtype":"F16",' + _ENTRY[1:] + b"}")),
    Fault("metadata-a-list", "__metadata__ is a list", "header", DAMAGED,
          file({"__metadata__": ["pt"], "w": entry()}, DATA)),
    Fault("metadata-of-numbers", "__metadata__ holds a number", "header", DAMAGED,
          file({"__metadata__": {"epoch": 3}, "w": entry()}, DATA)),
    Fault("entry-a-number", "an entry is a number", "header", DAMAGED, file({"w": 24}, DATA)),
    Fault("entry-without-dtype", "an entry states no dtype", "header", DAMAGED,
          file({"w": {"shape": [2, 3], "data_offsets": [0, 24]}}, DATA)),
    Fault("entry-with-more", "an entry states what the format does not know", "header", DAMAGED,
          _stated(strides=[3, 1])),
    Fault("dtype-unknown", "a tensor's dtype is not defined", "header", DAMAGED, _stated(dtype="F24")),
    Fault("dtype-a-number", "a tensor's dtype is a number", "header", DAMAGED, _stated(dtype=32)),
    Fault("dtype-of-half-bytes", "a tensor's values share bytes, which is not converted", "header", UNSUPPORTED,
          _stated(dtype="F4", shape=[6, 8])),
    Fault("shape-negative", "a dimension is negative", "header", DAMAGED, _stated(shape=[-2, -3])),
    Fault("shape-of-fractions", "a dimension is 2.0", "header", DAMAGED, _stated(shape=[2.0, 3])),
    Fault("shape-of-booleans", "a dimension is true", "header", DAMAGED, _stated(shape=[True, 6])),
    Fault("shape-a-number", "the shape is a number", "header", DAMAGED, _stated(shape=6)),
    Fault("shape-2-to-the-63", "a dimension is 2^63", "header", DAMAGED, _stated(shape=[SIGN, 2])),
    Fault("offsets-backwards", "a tensor ends before it begins", "header", DAMAGED, _stated(data_offsets=[24, 0])),
    Fault("offsets-three", "a tensor has three offsets", "header", DAMAGED, _stated(data_offsets=[0, 12, 24])),
    Fault("offsets-negative", "a tensor begins before the data", "header", DAMAGED, _stated(data_offsets=[-24, 0])),
    Fault("offsets-of-fractions", "an offset is 24.5", "header", DAMAGED, _stated(data_offsets=[0, 24.5])),
]  # fmt: skip

_INDEX = [
    Fault("cut-before-data", "the file ends where the data should begin", "index", DAMAGED, BASE[:HEADER]),
    Fault("cut-in-data", "the last byte is missing", "index", DAMAGED, BASE[:-1]),
    Fault("bytes-behind-the-data", "a byte follows the last tensor", "index", DAMAGED, BASE + b"\0"),
    Fault("offset-2-to-the-62", "a tensor ends at 2^62", "index", DAMAGED, _stated(data_offsets=[0, 1 << 62])),
    Fault("shape-overflows-to-the-size", "2^62 rows of 6 values of 4 bytes: the size fits when cut to 64 bits",
          "index", DAMAGED, _stated(shape=[(1 << 62) + 1, 6])),
    Fault("shape-larger-than-bytes", "the shape takes more bytes than the tensor has", "index", DAMAGED,
          _stated(shape=[2, 4])),
    Fault("shape-smaller-than-bytes", "the shape takes fewer bytes than the tensor has", "index", DAMAGED,
          _stated(shape=[5])),
    Fault("tensors-overlap", "a tensor begins inside the one before it", "index", DAMAGED, _two((20, 28), 28)),
    Fault("tensors-at-one-place", "two tensors have the same bytes", "index", DAMAGED,
          file({"w": entry(), "x": entry()}, DATA)),
    Fault("hole-between-tensors", "4 bytes between two tensors belong to none", "index", DAMAGED,
          _two((28, 36), 36)),
    Fault("hole-at-the-start", "the first 8 bytes of data belong to no tensor", "index", DAMAGED,
          file({"w": entry(offsets=(8, 32))}, bytes(8) + DATA)),
    Fault("values-at-odd-bytes", "F32 values begin at byte 1 of the data", "alignment", "",
          file({"a": entry("U8", (1,), (0, 1)), "w": entry(offsets=(1, 25))}, b"\1" + DATA)),
    Fault("data-at-odd-byte", "the header is not padded: the data begins at no multiple of 8", "alignment", "",
          file({"w": entry()}, DATA, multiple=1)),
    Fault("nan", "one value is NaN", "nan", "", file({"w": entry()}, DATA[:20] + pack("<f", float("nan")))),
    Fault("infinity", "one value is infinite", "inf", "", file({"w": entry()}, DATA[:20] + pack("<f", float("-inf")))),
    Fault("zeros", "every value is 0", "all zero", "", file({"w": entry()}, bytes(24))),
]  # fmt: skip


def _config(**changes: Any) -> dict[str, bytes]:
    changed = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
    return folder(config__json=text(changed))


def _tokenizer(**changes: Any) -> dict[str, bytes]:
    return folder(tokenizer__json=text({**TOKENIZER, **changes}))


def _vocabulary(**changes: Any) -> dict[str, bytes]:
    return _tokenizer(model={**TOKENIZER["model"], **changes})


def _token(content: str, number: int) -> dict[str, Any]:
    return {**TOKENIZER["added_tokens"][0], "content": content, "id": number}


def _mapped(**changes: str) -> dict[str, str]:
    """The index's map with the shards of some tensors changed, by their last part but one ("k_proj")."""
    stated = {**dict.fromkeys(FIRST, SHARDS[0]), **dict.fromkeys(SECOND, SHARDS[1])}
    return stated | {name: changes[part] for name in NAMES if (part := name.split(".")[-2]) in changes}


_K = "model.layers.0.self_attn.k_proj.weight"
_SHARDS = [
    Fault("shard-missing", "the index names a shard that is not there", "magic", DAMAGED,
          {name: data for name, data in sharded(FIRST, SECOND).items() if name != SHARDS[1]}),
    Fault("shard-in-another-folder", "the index names a shard by a path that leaves the folder", "magic", DAMAGED,
          sharded(FIRST, SECOND, _mapped(k_proj="../" + SHARDS[1]))),
    Fault("shard-by-absolute-path", "the index names a shard by an absolute path", "magic", DAMAGED,
          sharded(FIRST, SECOND, _mapped(k_proj="/etc/hostname"))),
    Fault("shard-by-backslash-path", "the index names a shard by a path with backslashes", "magic", DAMAGED,
          sharded(FIRST, SECOND, _mapped(k_proj="..\\" + SHARDS[1]))),
    Fault("shard-with-nul-in-its-name", "the index names a shard with a zero byte in its name", "magic", DAMAGED,
          sharded(FIRST, SECOND, _mapped(k_proj="model\0.safetensors"))),
    Fault("shard-a-number", "the index names a shard by its number", "magic", DAMAGED,
          sharded(FIRST, SECOND, dict.fromkeys(NAMES, 1))),
    Fault("index-without-map", "the index has no weight_map", "magic", DAMAGED,
          sharded(FIRST, SECOND, **{INDEX: text({"metadata": {"total_size": 0}})})),
    Fault("index-of-nothing", "the index's weight_map is empty", "magic", DAMAGED, sharded(FIRST, SECOND, {})),
    Fault("index-cut", "the index's JSON ends inside the map", "magic", DAMAGED,
          sharded(FIRST, SECOND, **{INDEX: text({"weight_map": _mapped()})[:-20]})),
    Fault("index-a-list", "the index is a JSON array", "magic", DAMAGED, sharded(FIRST, SECOND, **{INDEX: b"[{}]"})),
    Fault("index-names-a-tensor-twice", "the index has one tensor in both shards", "magic", DAMAGED,
          sharded(FIRST, SECOND,
                  **{INDEX: text({"weight_map": _mapped()})[:-2] + f',"{_K}":"{SHARDS[0]}"}}}}'.encode()})),
    Fault("index-nests-20000-levels", "the index's lists nest 20,000 levels deep", "magic", DAMAGED,
          sharded(FIRST, SECOND, **{INDEX: b'{"weight_map":' + b"[" * 20_000})),
    Fault("tensor-in-two-shards", "both shards hold one of the tensors", "index", DAMAGED,
          sharded(FIRST, (FIRST[-1], *SECOND), _mapped())),
    Fault("tensor-in-another-shard", "the index has a tensor in the shard that does not hold it", "index", DAMAGED,
          sharded(FIRST, SECOND, _mapped(k_proj=SHARDS[0]))),
    Fault("tensor-in-no-shard", "the index names a tensor that no shard holds", "index", DAMAGED,
          sharded(FIRST, SECOND, {**_mapped(), "model.extra.weight": SHARDS[0]})),
    Fault("tensor-not-in-the-index", "a shard holds a tensor that the index does not name", "index", DAMAGED,
          sharded(FIRST, SECOND, {name: shard for name, shard in _mapped().items() if name != _K})),
    Fault("shard-cut", "the second shard ends inside its data", "index", DAMAGED,
          sharded(FIRST, SECOND, **{SHARDS[1]: weights(SECOND)[:-40]})),
    Fault("shards-incomplete-without-index", "one of two shards, and no index", "magic", DAMAGED,
          {**folder(model__safetensors=None), SHARDS[0]: weights(FIRST)}),
    Fault("weights-as-pickle", "the weights are there as a pickle only", "magic", UNSUPPORTED,
          folder(model__safetensors=None, pytorch_model__bin=b"PK\3\4")),
    Fault("adapter", "the folder holds an adapter, not a model", "magic", UNSUPPORTED,
          {"adapter_config.json": b'{"peft_type":"LORA"}', "adapter_model.safetensors": weights()}),
]  # fmt: skip

_DOCUMENTS = [
    Fault("config-cut", "config.json ends inside a string", "metadata", DAMAGED,
          folder(config__json=text(CONFIG)[:-30])),
    Fault("config-a-list", "config.json is a JSON array", "metadata", DAMAGED, folder(config__json=b"[1]")),
    Fault("config-not-utf-8", "config.json is not UTF-8", "metadata", DAMAGED,
          folder(config__json=text(CONFIG).replace(b"silu", b"sil\xfc"))),
    Fault("config-nests-20000-levels", "config.json's lists nest 20,000 levels deep", "metadata", DAMAGED,
          folder(config__json=b'{"a":' + b"[" * 20_000)),
    Fault("config-key-twice", "config.json states hidden_size twice", "metadata", DAMAGED,
          folder(config__json=text(CONFIG)[:-1] + b',"hidden_size":16}')),
    Fault("config-with-number-of-5000-digits", "config.json holds a number of 5,000 digits", "metadata", DAMAGED,
          folder(config__json=text(CONFIG)[:-1] + b',"seed":' + b"9" * 5000 + b"}")),
    Fault("layers-missing", "config.json does not say how many layers there are", "config", "",
          _config(num_hidden_layers=None)),
    Fault("layers-a-string", "the number of layers is a string", "config", "", _config(num_hidden_layers="1")),
    Fault("layers-negative", "the number of layers is negative", "config", "", _config(num_hidden_layers=-1)),
    Fault("layers-2-to-the-63", "2^63 layers, the tensors are those of one", "config", "",
          _config(num_hidden_layers=SIGN)),
    Fault("heads-0", "the number of heads is 0", "config", MISSING, _config(num_attention_heads=0)),
    Fault("width-against-shapes", "hidden_size is not the width of the tensors", "config", "",
          _config(hidden_size=HIDDEN * 2)),
    Fault("vocabulary-against-rows", "vocab_size is more than the embedding has rows", "config", "",
          _config(vocab_size=99)),
    Fault("layers-2-tensors-of-1", "two layers, the tensors are those of one", "architecture", "",
          _config(num_hidden_layers=2)),
    Fault("tensor-missing", "up_proj is not there", "architecture", "",
          folder(model__safetensors=weights([name for name in NAMES if name != UP]))),
    Fault("nan-in-folder", "one value of up_proj is NaN", "nan", "",
          folder(model__safetensors=weights(
              replaced={UP: values(HIDDEN * FEED - 1, 5) + pack("<f", float("nan"))}))),
    Fault("tokenizer-cut", "tokenizer.json ends inside the merges", "tokenizer", DAMAGED,
          folder(tokenizer__json=text(TOKENIZER)[:-8])),
    Fault("tokenizer-a-list", "tokenizer.json is a JSON array", "tokenizer", DAMAGED, folder(tokenizer__json=b"[]")),
    Fault("tokenizer-nests-20000-levels", "tokenizer.json's lists nest 20,000 levels deep", "tokenizer", DAMAGED,
          folder(tokenizer__json=b'{"model":' + b"[" * 20_000)),
    Fault("tokenizer-without-model", "tokenizer.json has no model", "tokenizer", DAMAGED, _tokenizer(model=None)),
    Fault("vocabulary-a-string", "the vocabulary is a string", "tokenizer", DAMAGED, _vocabulary(vocab="abc")),
    Fault("vocabulary-ids-as-strings", "the tokens' ids are strings", "tokenizer", DAMAGED,
          _vocabulary(vocab={token: str(i) for token, i in TOKENIZER["model"]["vocab"].items()})),
    Fault("vocabulary-two-tokens-one-id", "two tokens have the same id", "tokenizer", DAMAGED,
          _vocabulary(vocab={**TOKENIZER["model"]["vocab"], "d": 0})),
    Fault("vocabulary-id-negative", "a token's id is negative", "tokenizer", DAMAGED,
          _vocabulary(vocab={**TOKENIZER["model"]["vocab"], "d": -1})),
    Fault("vocabulary-id-2-to-the-40", "a token's id is 2^40", "tokenizer", DAMAGED,
          _vocabulary(vocab={**TOKENIZER["model"]["vocab"], "d": 1 << 40})),
    Fault("added-token-id-2-to-the-63", "an added token's id is 2^63", "tokenizer", DAMAGED,
          _tokenizer(added_tokens=[*TOKENIZER["added_tokens"], _token("<x>", SIGN)])),
    Fault("added-token-with-taken-id", "an added token has the id of another", "tokenizer", DAMAGED,
          _tokenizer(added_tokens=[*TOKENIZER["added_tokens"], _token("<x>", 8)])),
    Fault("merge-of-no-token", "a merge makes what is no token", "tokenizer", DAMAGED,
          _vocabulary(merges=["a b", "b c"])),
    Fault("merge-of-one-part", "a merge names one part only", "tokenizer", DAMAGED, _vocabulary(merges=["a b", "abc"])),
    Fault("merges-numbers", "the merges are numbers", "tokenizer", DAMAGED, _vocabulary(merges=[1, 2])),
    Fault("tokens-more-than-rows", "more tokens than the embedding has rows", "tokenizer", UNSUPPORTED,
          _tokenizer(added_tokens=[*TOKENIZER["added_tokens"], _token("<x>", 10)])),
    Fault("eos-past-the-tokens", "config.json's eos_token_id is no token's", "tokenizer", "",
          _config(eos_token_id=99) | {"tokenizer_config.json": b"{}"}),
    Fault("tokenizer-config-a-list", "tokenizer_config.json is a JSON array", "tokenizer", DAMAGED,
          folder(tokenizer_config__json=b"[]")),
    Fault("template-a-number", "the chat template is a number", "tokenizer", DAMAGED,
          folder(tokenizer_config__json=text({**TOKENIZER_CONFIG, "chat_template": 5}))),
    Fault("sentencepiece-cut", "tokenizer.model ends inside its first piece", "tokenizer", DAMAGED,
          folder(tokenizer__json=None, tokenizer__model=b"\x0a\x0e\x0a\x05<unk>")),
    Fault("sentencepiece-length-2-to-the-63", "a piece of tokenizer.model is 2^63 bytes long", "tokenizer", DAMAGED,
          folder(tokenizer__json=None, tokenizer__model=b"\x0a" + b"\x80" * 9 + b"\x01")),
]  # fmt: skip

VALID = [control("whole", BASE), control("folder", folder()), control("shards", sharded(FIRST, SECOND))]
FAULTS = [*_HEADER, *_INDEX, *_SHARDS, *_DOCUMENTS]
