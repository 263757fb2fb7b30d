"""Files that llama.cpp makes: its conversion script from a model folder, and its quantizer.

Needs llama-cpp-python for the quantizer, torch, transformers and sentencepiece for the script, and in HUB_LLAMA_CPP a
checkout of the llama.cpp that llama-cpp-python was built from. What the files hold is read back with the package
`gguf`, which is llama.cpp's own.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import llama_cpp
import sentencepiece
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter

from conformance.scripts.gold._gguf import IN_THE_FILE
from conformance.scripts.gold._inputs import (
    CONFIG,
    GOLD,
    MERGES,
    TOKENS,
    TYPES,
    byte_level,
    gguf_name,
    halved,
    interleaved,
    llama,
    tensor,
    turned,
    write_expected,
)
from conformance.scripts.gold._transformers import model_of
from hub.ir import Tensor, Tokenizer

# Wide enough for blocks of 256 along most rows; attn_output and ffn_down are too narrow, and take what they can.
WIDE: dict[str, Any] = {**CONFIG, "hidden_size": 256, "head_dim": 16, "tie_word_embeddings": True}
QUANTIZED = {"q4_k_m": 15, "q3_k_m": 12, "iq4_xs": 30, "tq2_0": 37}  # llama_ftype
CORPUS = ["the cat sat on the mat", "a cat and a hat", "that is that", "on and on the cat sat"]
PIECES = 290
_SPECIAL = {"bos": 1, "eos": 2}  # the script writes no key for <unk>, which is a token type
_SPECIAL_IDS = {"bos_token_id": 1, "eos_token_id": 2}
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def write() -> None:
    """The script's F16 and Q8_0, and one small model in four of the quantizer's mixtures."""
    source = Path(os.environ["HUB_LLAMA_CPP"])
    numbers = re.findall(r"GGML_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", (source / "ggml/CMakeLists.txt").read_text())
    folder = GOLD / "gguf" / f"llama.cpp-ggml-{'.'.join(numbers)}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        for outtype in ("f16", "q8_0"):
            _convert(source, Path(made), folder / f"converted-{outtype}.gguf", outtype)
        for name, number in QUANTIZED.items():
            _quantize(Path(made), folder / f"{name}.gguf", number)


def _convert(source: Path, scratch: Path, path: Path, outtype: str) -> None:
    model = scratch / outtype
    config = {**CONFIG, "vocab_size": PIECES}
    saved = model_of(config, torch.float32)
    for part in (saved.config, saved.generation_config):
        part.bos_token_id, part.eos_token_id = _SPECIAL["bos"], _SPECIAL["eos"]
    saved.save_pretrained(model)
    pieces = _trained(model / "tokenizer.model")
    script = source / "convert_hf_to_gguf.py"
    command = [sys.executable, str(script), str(model), "--outfile", str(path), "--outtype", outtype]
    subprocess.run(command, check=True)  # noqa: S603
    dtype = {"torch_dtype": "float16" if outtype == "f16" else "float32"}
    stated = {**config, **IN_THE_FILE, **_SPECIAL_IDS, **dtype, "head_dim": 16}
    metadata = {"name": _text(path, "general.name")}
    write_expected(path, _stored(path, stated), stated, _tokenizer(pieces, path), metadata=metadata)


def _trained(path: Path) -> Any:
    """A SentencePiece vocabulary trained on a few words, with a token for every byte."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=out, model_type="bpe", vocab_size=PIECES, byte_fallback=True,
        minloglevel=2, num_threads=1,
    )  # fmt: skip
    path.write_bytes(out.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())


def _tokenizer(pieces: Any, path: Path) -> Tokenizer:
    """The vocabulary as sentencepiece has it; flags and ids as the keys in the file say."""
    ids = range(pieces.get_piece_size())
    kinds = [
        _UNKNOWN if pieces.is_unknown(i) else _CONTROL if pieces.is_control(i) else _BYTE if pieces.is_byte(i)
        else _NORMAL
        for i in ids
    ]  # fmt: skip
    fields = GGUFReader(path).fields
    prefix = "tokenizer.ggml.add_"
    flags = {key.removeprefix("tokenizer.ggml.").removesuffix("_token"): bool(field.contents())
             for key, field in fields.items() if key.startswith(prefix)}  # fmt: skip
    return Tokenizer(
        "spm", [pieces.id_to_piece(i) for i in ids], scores=[pieces.get_score(i) for i in ids], types=kinds,
        pre=_text(path, "tokenizer.ggml.pre"), special=_SPECIAL, flags=flags,
    )  # fmt: skip


def _quantize(scratch: Path, path: Path, number: int) -> None:
    whole = scratch / "wide.gguf"
    if not whole.exists():
        _wide(whole)
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = number, 1
    done = llama_cpp.llama_model_quantize(str(whole).encode(), str(path).encode(), params)
    if done:
        raise SystemExit(f"llama_model_quantize ends with {done}")
    stated = WIDE | IN_THE_FILE | {"torch_dtype": "float32"}
    ties = {"lm_head.weight": "model.embed_tokens.weight"}
    write_expected(path, _stored(path, stated), stated, byte_level(pre="llama-bpe"), ties=ties)


def _wide(path: Path) -> None:
    """The model to be quantized, in F32."""
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(WIDE["num_hidden_layers"])
    writer.add_context_length(WIDE["max_position_embeddings"])
    writer.add_embedding_length(WIDE["hidden_size"])
    writer.add_feed_forward_length(WIDE["intermediate_size"])
    writer.add_head_count(WIDE["num_attention_heads"])
    writer.add_head_count_kv(WIDE["num_key_value_heads"])
    writer.add_key_length(WIDE["head_dim"])
    writer.add_value_length(WIDE["head_dim"])
    writer.add_rope_dimension_count(WIDE["head_dim"])
    writer.add_layer_norm_rms_eps(WIDE["rms_norm_eps"])
    writer.add_rope_freq_base(WIDE["rope_theta"])
    writer.add_vocab_size(WIDE["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(TOKENS)
    writer.add_token_types(TYPES)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(8)
    writer.add_eos_token_id(9)
    for name, values in llama(WIDE).items():
        heads = turned(name, WIDE)
        writer.add_tensor(gguf_name(name), interleaved(values, heads) if heads else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _stored(path: Path, config: dict[str, Any]) -> list[Tensor]:
    """The tensors in the file under Hugging Face's names, rows of Q and K in halves."""
    there = {item.name: item for item in GGUFReader(path).tensors}
    out = []
    for name, values in llama(config).items():
        item = there.pop(gguf_name(name))
        raw, heads = item.data.reshape(values.shape[0], -1), turned(name, config)
        raw = halved(raw, heads) if heads else raw
        out.append(tensor(name, values.shape, GGMLQuantizationType(item.tensor_type).name, raw.tobytes()))
    if there:
        raise SystemExit(f"{path} holds {', '.join(there)}, which nobody expects")
    return out


def _text(path: Path, key: str) -> str | None:
    field = GGUFReader(path).fields.get(key)
    return None if field is None else str(field.contents())
