"""What `hub inspect` prints of the course's model, as the course expects it."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from hub.cli import main

LAYERS, HIDDEN, FFN, KV, VOCABULARY = 24, 896, 4864, 128, 151_936
TYPES = gguf.GGMLQuantizationType

EXPECTED = """\
Model: Qwen2.5-0.5B-Instruct
Format: GGUF v3
Quantization: Q4_K_M
Parameters: 494M
Vocabulary: 151,936 tokens
Architecture: qwen2
Layers: 24
Hidden Size: 896
Attention Heads: 14
"""


def shapes() -> dict[str, tuple[tuple[int, ...], TYPES]]:
    """Qwen2.5-0.5B as llama.cpp quantizes it: rows of 896 are no multiple of 256, so Q5_0 stands in for Q4_K."""
    q, f = TYPES.Q5_0, TYPES.F32
    layer: dict[str, tuple[tuple[int, ...], TYPES]] = {
        "attn_norm.weight": ((HIDDEN,), f), "attn_q.weight": ((HIDDEN, HIDDEN), q), "attn_q.bias": ((HIDDEN,), f),
        "attn_k.weight": ((KV, HIDDEN), q), "attn_k.bias": ((KV,), f), "attn_v.weight": ((KV, HIDDEN), TYPES.Q8_0),
        "attn_v.bias": ((KV,), f), "attn_output.weight": ((HIDDEN, HIDDEN), q), "ffn_norm.weight": ((HIDDEN,), f),
        "ffn_gate.weight": ((FFN, HIDDEN), q), "ffn_up.weight": ((FFN, HIDDEN), q),
        "ffn_down.weight": ((HIDDEN, FFN), TYPES.Q4_K),
    }  # fmt: skip
    found = {f"blk.{i}.{name}": what for i in range(LAYERS) for name, what in layer.items()}
    return found | {"token_embd.weight": ((VOCABULARY, HIDDEN), TYPES.Q8_0), "output_norm.weight": ((HIDDEN,), f)}


def write(path: Path) -> int:
    """The header of such a file, and room for its tensors that takes none on the disk; bytes in all."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("Qwen2.5-0.5B-Instruct")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_block_count(LAYERS)
    writer.add_context_length(32768)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(14)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([f"t{i}" for i in range(VOCABULARY)])
    writer.add_token_types([1] * VOCABULARY)
    writer.add_token_merges(["t 0"])
    size = 0
    for name, (shape, kind) in shapes().items():
        stored = gguf.quant_shape_to_byte_shape(shape, kind) if kind != TYPES.F32 else shape
        dtype = np.dtype(np.float32) if kind == TYPES.F32 else np.dtype(np.uint8)
        nbytes = int(np.prod(stored)) * dtype.itemsize
        writer.add_tensor_info(name, stored, dtype, nbytes, None if kind == TYPES.F32 else kind)
        size += -(-nbytes // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    begin = -(-path.stat().st_size // 32) * 32
    with path.open("r+b") as file:
        file.truncate(begin + size)
    return begin + size


def test_the_course_s_model_is_shown_as_the_course_expects_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "qwen2.5-coder-0.5b.gguf"
    size = write(path)
    assert main(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(EXPECTED)
    assert f"Size: {size / 1e6:.1f} MB" in out
