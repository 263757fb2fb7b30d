"""A small valid GGUF file in pieces, so that exactly one of them can be wrong.

The layout is that of ggml's gguf.h. Nothing of a plugin's writer is used: a fault of the writer would hide in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import pack

U8, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64 = 0, 4, 5, 6, 7, 8, 9, 10
F32, F16, Q4_0 = 0, 1, 2
HIDDEN, FEED, HEADS, ALIGNMENT = 8, 16, 2, 32

TOKENS = ["a", "b", "c", "ab", "abc", "Ġ", "Ġa", "!", "<s>", "</s>"]
MERGES = ["a b", "ab c", "Ġ a"]
PARTS = 2


def string(text: str | bytes) -> bytes:
    """A string after its length."""
    raw = text.encode() if isinstance(text, str) else text
    return pack("<Q", len(raw)) + raw


def text(value: str | bytes) -> bytes:
    """A value of type STRING."""
    return pack("<I", STRING) + string(value)


def u32(value: int) -> bytes:
    """A value of type UINT32."""
    return pack("<II", UINT32, value)


def f32(value: float) -> bytes:
    """A value of type FLOAT32."""
    return pack("<If", FLOAT32, value)


def array(item: int, elements: bytes, count: int) -> bytes:
    """A value of type ARRAY: `count` elements of type `item`, whatever `elements` really holds."""
    return pack("<IIQ", ARRAY, item, count) + elements


def texts(values: Sequence[str | bytes]) -> bytes:
    """An array of strings."""
    return array(STRING, b"".join(map(string, values)), len(values))


def ints(values: Sequence[int]) -> bytes:
    """An array of INT32."""
    return array(INT32, pack(f"<{len(values)}i", *values), len(values))


def floats(values: Sequence[float]) -> bytes:
    """An array of FLOAT32."""
    return array(FLOAT32, pack(f"<{len(values)}f", *values), len(values))


KEYS: dict[str, bytes] = {
    "general.architecture": text("llama"),
    "general.name": text("vector"),
    "llama.block_count": u32(1),
    "llama.context_length": u32(64),
    "llama.embedding_length": u32(HIDDEN),
    "llama.feed_forward_length": u32(FEED),
    "llama.attention.head_count": u32(HEADS),
    "llama.attention.head_count_kv": u32(HEADS),
    "llama.attention.layer_norm_rms_epsilon": f32(1e-5),
    "llama.rope.dimension_count": u32(HIDDEN // HEADS),
    "llama.rope.freq_base": f32(10000.0),
    "llama.vocab_size": u32(len(TOKENS)),
    "tokenizer.ggml.model": text("gpt2"),
    "tokenizer.ggml.pre": text("llama-bpe"),
    "tokenizer.ggml.tokens": texts(TOKENS),
    "tokenizer.ggml.token_type": ints([1] * 8 + [3, 3]),
    "tokenizer.ggml.merges": texts(MERGES),
    "tokenizer.ggml.bos_token_id": u32(8),
    "tokenizer.ggml.eos_token_id": u32(9),
}

# Names with their dimensions, innermost first, as the file has them.
SHAPES: dict[str, tuple[int, ...]] = {
    "token_embd.weight": (HIDDEN, len(TOKENS)),
    "blk.0.attn_norm.weight": (HIDDEN,),
    "blk.0.attn_q.weight": (HIDDEN, HIDDEN),
    "blk.0.attn_k.weight": (HIDDEN, HIDDEN),
    "blk.0.attn_v.weight": (HIDDEN, HIDDEN),
    "blk.0.attn_output.weight": (HIDDEN, HIDDEN),
    "blk.0.ffn_norm.weight": (HIDDEN,),
    "blk.0.ffn_gate.weight": (HIDDEN, FEED),
    "blk.0.ffn_up.weight": (HIDDEN, FEED),
    "blk.0.ffn_down.weight": (FEED, HIDDEN),
    "output_norm.weight": (HIDDEN,),
    "output.weight": (HIDDEN, len(TOKENS)),
}


def values(count: int, seed: int) -> bytes:
    """`count` F32 values between -1 and 1, all different from 0."""
    return pack(f"<{count}f", *(((i * 37 + seed * 11) % 64 - 31.5) / 32 for i in range(count)))


def padded(data: bytes, to: int = ALIGNMENT) -> bytes:
    """`data` and zeros up to a multiple of `to`."""
    return data + bytes(-len(data) % to)


def count(shape: Sequence[int]) -> int:
    """Values in a tensor of `shape`."""
    total = 1
    for size in shape:
        total *= size
    return total


def places(names: Sequence[str]) -> dict[str, int]:
    """Where each tensor begins, counted from the first byte of data."""
    at, out = 0, {}
    for name in names:
        out[name] = at
        at += len(padded(bytes(4 * count(SHAPES[name]))))
    return out


def entry(name: str | bytes, shape: Sequence[int], offset: int, kind: int = F32, dims: int | None = None) -> bytes:
    """One tensor of the index."""
    head = string(name) + pack("<I", len(shape) if dims is None else dims)
    return head + pack(f"<{len(shape)}QIQ", *shape, kind, offset)


def entries(names: Sequence[str]) -> dict[str, bytes]:
    """The index of the base file's tensors `names`, one after another."""
    return {name: entry(name, SHAPES[name], at) for name, at in places(names).items()}


def payload(names: Sequence[str], **replaced: bytes) -> bytes:
    """The tensors' bytes, each padded; `replaced` by the last part of a name but one ("ffn_up")."""
    out = b""
    for seed, name in enumerate(names):
        out += padded(replaced.get(name.split(".")[-2], values(count(SHAPES[name]), seed)))
    return out


def gguf(
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    n_tensors: int | None = None,
    n_keys: int | None = None,
    keys: Mapping[str, bytes | None] | None = None,
    more_keys: bytes = b"",
    names: Sequence[str] = tuple(SHAPES),
    index: Mapping[str, bytes] | None = None,
    data: bytes | None = None,
    all_keys: Mapping[str, bytes] = KEYS,
) -> bytes:
    """The file with its parts replaced; a key given as None is left out, `more_keys` follow the others uncounted.

    `index` replaces entries by name, or adds to them; `n_tensors` and `n_keys` count what is there unless given.
    """
    chosen = {key: value for key, value in {**all_keys, **(keys or {})}.items() if value is not None}
    listed = {**entries(names), **(index or {})}
    head = magic + pack("<I", version)
    head += pack("<Q", len(listed) if n_tensors is None else n_tensors)
    head += pack("<Q", len(chosen) if n_keys is None else n_keys)
    head += b"".join(string(key) + value for key, value in chosen.items()) + more_keys
    return padded(head + b"".join(listed.values())) + (payload(names) if data is None else data)


def part(number: int, names: Sequence[str], **split: int) -> bytes:
    """One file of the same model split in two; `split` states other numbers (no, count, tensors)."""
    stated = {"no": number, "count": PARTS, "tensors": len(SHAPES), **split}
    keys = {
        "split.no": pack("<IH", 2, stated["no"]),
        "split.count": pack("<IH", 2, stated["count"]),
        "split.tensors.count": pack("<Ii", INT32, stated["tensors"]),
    }
    return gguf(all_keys={**(KEYS if number == 0 else {}), **keys}, names=names)


def header_size() -> int:
    """Bytes of the base file before its first tensor."""
    return len(gguf(data=b""))
