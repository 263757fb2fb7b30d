"""A GGUF of the course's own sizes, Qwen2.5-0.5B in Q4_K_M: its header in full, its weights a hole in the disk."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

LAYERS, HIDDEN, FFN, HEADS, KV_HEADS = 24, 896, 4864, 14, 2
KINDS = GGMLQuantizationType


def tensors(tokens: int) -> dict[str, tuple[tuple[int, ...], GGMLQuantizationType]]:
    """Shapes and kinds by name. Rows of 896 hold no whole block of 256, so llama.cpp's recipe takes Q5_0 and Q8_0."""
    kv = KV_HEADS * HIDDEN // HEADS
    layer: dict[str, tuple[tuple[int, ...], GGMLQuantizationType]] = {
        "attn_norm.weight": ((HIDDEN,), KINDS.F32), "ffn_norm.weight": ((HIDDEN,), KINDS.F32),
        "attn_q.weight": ((HIDDEN, HIDDEN), KINDS.Q5_0), "attn_q.bias": ((HIDDEN,), KINDS.F32),
        "attn_k.weight": ((kv, HIDDEN), KINDS.Q5_0), "attn_k.bias": ((kv,), KINDS.F32),
        "attn_v.weight": ((kv, HIDDEN), KINDS.Q8_0), "attn_v.bias": ((kv,), KINDS.F32),
        "attn_output.weight": ((HIDDEN, HIDDEN), KINDS.Q5_0), "ffn_gate.weight": ((FFN, HIDDEN), KINDS.Q5_0),
        "ffn_up.weight": ((FFN, HIDDEN), KINDS.Q5_0), "ffn_down.weight": ((HIDDEN, FFN), KINDS.Q4_K),
    }  # fmt: skip
    ends = {"token_embd.weight": ((tokens, HIDDEN), KINDS.Q8_0), "output_norm.weight": ((HIDDEN,), KINDS.F32)}
    return ends | {f"blk.{i}.{name}": told for i in range(LAYERS) for name, told in layer.items()}


def write(path: Path, vocabulary: Path, name: str) -> Path:
    """Write it with the tokenizer of the GGUF `vocabulary`."""
    fields = gguf.GGUFReader(vocabulary).fields
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name(name)
    writer.add_block_count(LAYERS)
    writer.add_context_length(32768)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    for key, field in fields.items():
        if key.startswith("tokenizer."):
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], sub_type=inner)
    total = 0
    for tensor, (shape, kind) in tensors(len(fields[gguf.Keys.Tokenizer.LIST].data)).items():
        block, nbytes = GGML_QUANT_SIZES[kind]
        stored = (*shape[:-1], shape[-1] // block * nbytes)
        size = int(np.prod(stored))
        writer.add_tensor_info(tensor, stored, np.dtype(np.uint8), size, raw_dtype=kind)
        total += size + -size % 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        file.truncate(end + -end % 32 + total)
    return path
