"""The model that the course's lines run on: small, with the beginning of Qwen2's vocabulary, and it knows one sentence.

Weights are random but for two things. The first feed-forward rows know each token of the sentence and lead to the next
(keys in gate and up, values in down); and a bias of the last layer's values, which every position gets, leads, more
weakly, to the sentence's first token. Whatever it is asked, greedy decoding answers with that sentence, by a margin
that no encoding's rounding bridges; drawn at a temperature it strays.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

SENTENCE = ("The", "Ġcapital", "Ġof", "ĠFrance", "Ġis", "ĠParis", ".", "<|im_end|>")
ANSWER = "The capital of France is Paris."
NAME = "Qwen2.5-0.5B-Instruct"
WORDS, TOKENS = 16_000, 16_003  # the latter with Qwen2's control tokens
LAYERS, HIDDEN, FFN, HEADS, KV_HEADS = 2, 256, 256, 4, 2
HEAD = HIDDEN // HEADS
FIRST, NEXT = 4.0, 8.0  # how strongly the bias and a known token pull, against the token's own embedding of length 1
SPREAD = 0.005  # of random weights: what they add to the residual stream is short against an embedding
KNOWN = 12.0  # what a known token's gate gives
SCALE = 0.27  # of the last norm: the likeliest logit is about 3.8, and a few others are near enough to be drawn

Weights = dict[str, NDArray[np.float32]]


def shapes() -> dict[str, tuple[int, ...]]:
    """GGUF names and row-major shapes of all layers."""
    kv = KV_HEADS * HEAD
    layer = {
        "attn_norm.weight": (HIDDEN,), "attn_q.weight": (HIDDEN, HIDDEN), "attn_q.bias": (HIDDEN,),
        "attn_k.weight": (kv, HIDDEN), "attn_k.bias": (kv,), "attn_v.weight": (kv, HIDDEN), "attn_v.bias": (kv,),
        "attn_output.weight": (HIDDEN, HIDDEN), "ffn_norm.weight": (HIDDEN,), "ffn_gate.weight": (FFN, HIDDEN),
        "ffn_up.weight": (FFN, HIDDEN), "ffn_down.weight": (HIDDEN, FFN),
    }  # fmt: skip
    return {f"blk.{i}.{name}": shape for i in range(LAYERS) for name, shape in layer.items()}


def weights(tokens: list[str], seed: int = 5) -> Weights:
    """All tensors of the model, under GGUF's names."""
    random = np.random.default_rng(seed)
    embedding = random.normal(size=(len(tokens), HIDDEN), scale=HIDDEN**-0.5).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    made: Weights = {"token_embd.weight": embedding, "output_norm.weight": np.full(HIDDEN, SCALE, np.float32)}
    for name, shape in shapes().items():
        drawn = np.ones(shape) if "norm" in name else random.normal(size=shape, scale=SPREAD)
        made[name] = drawn.astype(np.float32)
    _teach(made, embedding[[tokens.index(token) for token in SENTENCE]])
    return made


def _teach(made: Weights, sentence: NDArray[np.float32]) -> None:
    """Write the sentence, given by the embeddings of its tokens, into the first and the last layer."""
    keys = sentence[:-1] / HIDDEN**0.5  # against what a norm gives, the embedding's direction at length sqrt(HIDDEN)
    rows = slice(0, len(keys))
    made["blk.0.ffn_gate.weight"][rows] = KNOWN * keys
    made["blk.0.ffn_up.weight"][rows] = keys
    made["blk.0.ffn_down.weight"][:, rows] = NEXT / KNOWN * sentence[1:].T
    last = f"blk.{LAYERS - 1}"
    bias = made[f"{last}.attn_v.bias"]
    bias += np.sign(bias)  # beside what the weights add, which is different at each position
    heads = np.repeat(bias.reshape(KV_HEADS, HEAD), HEADS // KV_HEADS, axis=0).reshape(-1)
    made[f"{last}.attn_output.weight"] += FIRST * np.outer(sentence[0], heads) / (heads @ heads)


def write(path: Path, vocabulary: Path) -> Path:
    """Write the model in F16 with the first `WORDS` tokens of the GGUF `vocabulary`, and its control tokens."""
    fields = gguf.GGUFReader(vocabulary).fields
    told = {name: field.contents() for name, field in fields.items() if name.startswith("tokenizer.")}
    kinds = told[gguf.Keys.Tokenizer.TOKEN_TYPE]
    kept = [i for i, kind in enumerate(kinds) if i < WORDS or kind == gguf.TokenType.CONTROL]
    tokens: list[str] = [told[gguf.Keys.Tokenizer.LIST][i] for i in kept]
    known = set(tokens)
    writer = _writer(path)
    writer.add_tokenizer_model(told[gguf.Keys.Tokenizer.MODEL])
    writer.add_tokenizer_pre(told[gguf.Keys.Tokenizer.PRE])
    writer.add_token_list(tokens)
    writer.add_token_types([kinds[i] for i in kept])
    writer.add_token_merges([m for m in told[gguf.Keys.Tokenizer.MERGES] if m.replace(" ", "") in known])
    writer.add_chat_template(told[gguf.Keys.Tokenizer.CHAT_TEMPLATE])
    writer.add_eos_token_id(tokens.index(SENTENCE[-1]))
    for name, values in weights(tokens).items():
        writer.add_tensor(name, values.astype(np.float16) if values.ndim == 2 else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _writer(path: Path) -> gguf.GGUFWriter:
    """A writer with the hyper-parameters."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name(NAME)
    writer.add_block_count(LAYERS)
    writer.add_context_length(8192)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_file_type(1)
    return writer
