"""A small valid APR file in pieces, so that exactly one of them can be wrong; also of the dialects before v2.

Layouts are those of the aprender project's `apr-format` library. Nothing of a plugin's writer is used.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from struct import pack
from typing import Any

HIDDEN, FEED, HEADS = 8, 16, 2
ROW_MAJOR, COLUMN_MAJOR, LZ4, ZSTD, SHARDED = 0x0400, 0x0800, 1, 2, 16
F32, U8, Q4_K = 0, 7, 12

TOKENS = ["a", "b", "c", "ab", "abc", "Ġ", "Ġa", "!", "<s>", "</s>"]
_LAYER = "model.layers.0."
SHAPES: dict[str, tuple[int, ...]] = {
    "lm_head.weight": (len(TOKENS), HIDDEN),
    "model.embed_tokens.weight": (len(TOKENS), HIDDEN),
    _LAYER + "input_layernorm.weight": (HIDDEN,),
    _LAYER + "mlp.down_proj.weight": (HIDDEN, FEED),
    _LAYER + "mlp.gate_proj.weight": (FEED, HIDDEN),
    _LAYER + "mlp.up_proj.weight": (FEED, HIDDEN),
    _LAYER + "post_attention_layernorm.weight": (HIDDEN,),
    _LAYER + "self_attn.k_proj.weight": (HIDDEN, HIDDEN),
    _LAYER + "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
    _LAYER + "self_attn.q_proj.weight": (HIDDEN, HIDDEN),
    _LAYER + "self_attn.v_proj.weight": (HIDDEN, HIDDEN),
    "model.norm.weight": (HIDDEN,),
}
NAMES = tuple(SHAPES)

METADATA: dict[str, Any] = {
    "model_type": "llama",
    "name": "vector",
    "architecture": "llama",
    "hf_architecture": "LlamaForCausalLM",
    "hf_model_type": "llama",
    "hidden_size": HIDDEN,
    "num_layers": 1,
    "num_heads": HEADS,
    "num_kv_heads": HEADS,
    "vocab_size": len(TOKENS),
    "intermediate_size": FEED,
    "max_position_embeddings": 64,
    "rope_theta": 10000.0,
    "rope_type": 2,
    "rms_norm_eps": 1e-05,
    "tokenizer.model": "gpt2",
    "tokenizer.model_type": "BPE",
    "tokenizer.pre_type": "llama-bpe",
    "tokenizer.vocabulary": TOKENS,
    "tokenizer.vocab_size": len(TOKENS),
    "tokenizer.merges": ["a b", "ab c", "Ġ a"],
    "tokenizer.token_type": [1] * 8 + [3, 3],
    "tokenizer.bos_token_id": 8,
    "tokenizer.eos_token_id": 9,
}


def values(count: int, seed: int) -> bytes:
    """`count` F32 values between -1 and 1, all different from 0."""
    return pack(f"<{count}f", *(((i * 37 + seed * 11) % 64 - 31.5) / 32 for i in range(count)))


def padded(data: bytes) -> bytes:
    """`data` and zeros up to a multiple of 64."""
    return data + bytes(-len(data) % 64)


def text(value: object) -> bytes:
    """`value` as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def entry(name: str | bytes, shape: Sequence[int], offset: int, size: int, dtype: int = F32) -> bytes:
    """One tensor of the index."""
    raw = name.encode() if isinstance(name, str) else name
    head = pack("<H", len(raw)) + raw + bytes([dtype, len(shape)])
    return head + pack(f"<{len(shape)}QQQ", *shape, offset, size)


def nbytes(name: str) -> int:
    """Bytes of one of the base file's tensors."""
    total = 4
    for size in SHAPES[name]:
        total *= size
    return total


def places(names: Sequence[str] = NAMES) -> dict[str, int]:
    """Where each tensor begins, counted from the first byte of data."""
    at, out = 0, {}
    for name in names:
        out[name] = at
        at += len(padded(bytes(nbytes(name))))
    return out


def payload(names: Sequence[str] = NAMES, replaced: Mapping[str, bytes] | None = None) -> bytes:
    """The tensors' bytes, each padded; those of some `replaced`."""
    return b"".join(padded((replaced or {}).get(n, values(nbytes(n) // 4, i))) for i, n in enumerate(names))


def footed(data: bytes) -> bytes:
    """`data` and the CRC-32 of it."""
    return data + pack("<I", zlib.crc32(data))


def header(flags: int, count: int, meta_at: int, meta: int, index_at: int, data_at: int, magic: bytes) -> bytes:
    """The 64 bytes before the metadata, with their checksum."""
    head = pack("<4sBBHIQIQQ", magic, 2, 0, flags, count, meta_at, meta, index_at, data_at)
    return head + pack("<I", zlib.crc32(bytes(20), zlib.crc32(head))) + bytes(20)


def apr(
    *,
    magic: bytes = b"APR\0",
    flags: int = ROW_MAJOR,
    count: int | None = None,
    metadata: bytes | None = None,
    keys: Mapping[str, Any] | None = None,
    names: Sequence[str] = NAMES,
    index: Sequence[bytes] | None = None,
    data: bytes | None = None,
    **stated: int,
) -> bytes:
    """The file with its parts replaced; `keys` change the metadata, one given as None is left out.

    `stated` changes what the header says: meta_at, meta, index_at, data_at.
    """
    chosen = {key: value for key, value in {**METADATA, **(keys or {})}.items() if value is not None}
    raw = text(chosen) if metadata is None else metadata
    listed = [entry(n, SHAPES[n], at, nbytes(n)) for n, at in places(names).items()] if index is None else index
    table = b"".join(listed)
    index_at = 64 + len(padded(raw))
    numbers = {"meta_at": 64, "meta": len(raw), "index_at": index_at, "data_at": index_at + len(padded(table))}
    head = header(flags, len(listed) if count is None else count, magic=magic, **(numbers | stated))
    return footed(head + padded(raw) + padded(table) + (payload(names) if data is None else data))


def with_entry(name: str, *shape: int, at: int | None = None, size: int | None = None, dtype: int = F32) -> bytes:
    """The base file with another entry for the tensor `name`."""
    listed = {n: entry(n, SHAPES[n], where, nbytes(n)) for n, where in places().items()}
    where = places()[name] if at is None else at
    listed[name] = entry(name, shape or SHAPES[name], where, nbytes(name) if size is None else size, dtype)
    return apr(index=list(listed.values()))


def shard(number: int, names: Sequence[str], **sharding: Any) -> bytes:
    """One file of the same model in two; `sharding` states other numbers."""
    stated = {"shard_count": 2, "shard_index": number, "total_size": 0, "pattern": None, **sharding}
    return apr(flags=ROW_MAJOR | SHARDED, keys={"sharding": stated}, names=names)


def manifest(files: Mapping[str, tuple[bytes, Sequence[str]]], **changes: Any) -> bytes:
    """The manifest of shards, each a file name with its bytes and its tensors' names."""
    shards = [
        {"filename": name, "index": i, "size": len(data), "tensors": list(names)}
        for i, (name, (data, names)) in enumerate(files.items())
    ]
    told: dict[str, Any] = {
        "version": "2.0",
        "shard_count": len(shards),
        "total_size": sum(len(data) for data, _ in files.values()),
        "tensor_count": sum(len(names) for _, names in files.values()),
        "shards": shards,
        "weight_map": {name: i for i, (_, names) in enumerate(files.values()) for name in names},
    }
    return text({**told, **changes})


def v1(payload: bytes = b"\0" * 14, metadata: bytes | None = None, **stated: int) -> bytes:
    """A v1 file: a classic model as one value. `stated` changes what its header says."""
    told = b"\x82\xaacreated_at\xa10\xb0aprender_version\xa31.0" if metadata is None else metadata
    numbers = {"major": 1, "kind": 1, "meta": len(told), "stored": len(payload), "plain": len(payload), "packing": 0}
    n = {**numbers, "flags": 0, **stated}
    head = pack("<4sBBHIIIBBB9s", b"APRN", n["major"], 0, n["kind"], n["meta"], n["stored"], n["plain"], n["packing"],
                n["flags"], 0, b"")  # fmt: skip
    return footed(head + told + payload)


def apr1(index: object = None, metadata: bytes = b'{"model_type":"mlp"}', data: bytes | None = None) -> bytes:
    """A file of the dialect before: JSON metadata, JSON index, packed data."""
    told = [{"name": "w", "dtype": "F32", "shape": [2, 3], "offset": 0, "size": 24}] if index is None else index
    raw = text(told)
    body = b"APR1" + pack("<I", len(metadata)) + metadata + pack("<II", 1, len(raw)) + raw
    return footed(body + (values(6, 1) if data is None else data))


def wrapped(kind: int, length: int, data: bytes) -> bytes:
    """A file of the dialect before that, compressed: 0 not at all, 1 LZ4, 2 zstd."""
    return b"APR\0" + pack("<BI", kind, length) + data


def zstd_zeros(count: int) -> bytes:
    """A zstd frame of `count` blocks of 128 KiB zeros, four bytes each (RFC 8878: RLE blocks)."""
    block = 1 << 17
    blocks = b"".join(pack("<I", block << 3 | 1 << 1 | (i == count - 1))[:3] + b"\0" for i in range(count))
    return b"\x28\xb5\x2f\xfd" + b"\x00\x58" + blocks
