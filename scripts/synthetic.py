"""Writes a large random llama model as GGUF, for measuring memory and speed.

    python scripts/synthetic.py model.gguf --encoding Q4_1 --gigabytes 2

24 layers, 12 heads, 4 key and value heads, weights N(0, 0.02). The size is that of the model as F16; the feed-forward
width is what makes it so. The random blocks are drawn once and repeated from other places, since drawing gigabytes of
normal numbers takes longer than converting them. The vocabulary is one of numbered words, `--tokens` of them, or that
of another GGUF (`--vocabulary`), for programs that want a real one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

HIDDEN, LAYERS, HEADS, KV_HEADS = 1536, 24, 12, 4


def shapes(gigabytes: float, tokens: int) -> dict[str, tuple[int, ...]]:
    """GGUF names and row-major shapes of a llama model of about `gigabytes` as F16."""
    head = HIDDEN // HEADS
    values = gigabytes * 1e9 / 2
    fixed = tokens * HIDDEN + LAYERS * 2 * HIDDEN * (HIDDEN + KV_HEADS * head)
    ffn = max(256, round((values - fixed) / LAYERS / HIDDEN / 3 / 256) * 256)
    out: dict[str, tuple[int, ...]] = {"token_embd.weight": (tokens, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for i in range(LAYERS):
        rows = {"attn_q": HIDDEN, "attn_k": KV_HEADS * head, "attn_v": KV_HEADS * head, "attn_output": HIDDEN}
        out |= {f"blk.{i}.{name}.weight": (n, HIDDEN) for name, n in rows.items()}
        out |= {f"blk.{i}.ffn_gate.weight": (ffn, HIDDEN), f"blk.{i}.ffn_up.weight": (ffn, HIDDEN)}
        out |= {f"blk.{i}.ffn_down.weight": (HIDDEN, ffn)}
        out |= {f"blk.{i}.attn_norm.weight": (HIDDEN,), f"blk.{i}.ffn_norm.weight": (HIDDEN,)}
    return out


def rows(shape: tuple[int, ...], kind: GGMLQuantizationType, pool: NDArray[np.uint8]) -> Iterator[bytes]:
    """The bytes of a tensor, cut from the `pool` of encoded blocks at a different place each time."""
    block, nbytes = GGML_QUANT_SIZES[kind]
    left = int(np.prod(shape)) // block * nbytes
    start = (left // nbytes * 7919) % (len(pool) // nbytes) * nbytes
    while left:
        piece = pool[start : start + left]
        yield piece.tobytes()
        left, start = left - len(piece), 0


def main() -> None:
    """Write the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--encoding", default="F16")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--tokens", type=int, default=32000, help="size of the vocabulary of numbered words")
    parser.add_argument("--vocabulary", type=Path, metavar="GGUF", help="take the tokenizer of this file instead")
    args = parser.parse_args()
    matrix = GGMLQuantizationType[args.encoding]
    writer = gguf.GGUFWriter(args.target, "llama")
    tokens = copy_vocabulary(writer, args.vocabulary) if args.vocabulary else add_vocabulary(writer, args.tokens)
    wanted = shapes(args.gigabytes, tokens)
    add_keys(writer, wanted["blk.0.ffn_gate.weight"][0], tokens)
    kinds = {name: matrix if len(shape) == 2 else GGMLQuantizationType.F32 for name, shape in wanted.items()}
    for name, shape in wanted.items():
        block, nbytes = GGML_QUANT_SIZES[kinds[name]]
        stored = (*shape[:-1], shape[-1] // block * nbytes)
        size = int(np.prod(stored))
        writer.add_tensor_info(name, stored, np.dtype(np.uint8), size, raw_dtype=kinds[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with args.target.open("ab") as file:
        write_tensors(file, wanted, kinds)
    print(f"{args.target}: {args.target.stat().st_size / 1e9:.2f} GB")


def write_tensors(file: BinaryIO, wanted: dict[str, tuple[int, ...]], kinds: dict[str, GGMLQuantizationType]) -> None:
    """Append the tensors, each padded to 32 bytes."""
    values = np.random.default_rng(0).normal(0, 0.02, (4096, 256 * 8)).astype(np.float32)
    pools = {
        k: np.ascontiguousarray(gguf.quants.quantize(values, k)).view(np.uint8).reshape(-1) for k in set(kinds.values())
    }
    file.write(bytes(-file.tell() % 32))
    for name, shape in wanted.items():
        for piece in rows(shape, kinds[name], pools[kinds[name]]):
            file.write(piece)
        file.write(bytes(-file.tell() % 32))


def add_keys(writer: gguf.GGUFWriter, ffn: int, tokens: int) -> None:
    """The hyper-parameters of the llama architecture."""
    writer.add_block_count(LAYERS)
    writer.add_context_length(2048)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(tokens)


def add_vocabulary(writer: gguf.GGUFWriter, tokens: int) -> int:
    """A vocabulary of numbered words, half of them with a merge; its size."""
    letters = list("w0123456789")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(letters + [f"w{i}" for i in range(tokens - len(letters))])
    writer.add_token_types([1] * tokens)
    writer.add_token_merges([f"w {i}" for i in range(10)] + [f"w{i // 10} {i % 10}" for i in range(10, tokens // 2)])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    return tokens


def copy_vocabulary(writer: gguf.GGUFWriter, path: Path) -> int:
    """Every tokenizer key of the GGUF at `path`; the size of its vocabulary."""
    fields = [f for name, f in gguf.GGUFReader(path).fields.items() if name.startswith("tokenizer.")]
    for field in fields:
        inner = field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    return next(len(f.data) for f in fields if f.name == gguf.Keys.Tokenizer.LIST)


if __name__ == "__main__":
    main()
