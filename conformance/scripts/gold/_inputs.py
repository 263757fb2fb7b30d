"""The model that other programs are given to write, and the canonical form that must come of it.

Everything here is stated in plain NumPy and in Hugging Face's words; nothing is read by a plugin of the hub. Each
writer's script says what its format leaves out or adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.ir import ENCODINGS, Config, Lazy, Model, Tensor, Tokenizer
from hub_conformance.notation import dump, save

GOLD = Path("conformance/src/hub_conformance/vectors/gold")
SMALL = 64  # values; a larger tensor is written down as its digest

Array = NDArray[Any]

TOKENS = ["a", "b", "c", "ab", "abc", "\u0120", "\u0120a", "!", "<s>", "</s>"]
MERGES = ["a b", "ab c", "\u0120 a"]
TYPES = [1] * 8 + [3, 3]
SPECIAL = {"bos": 8, "eos": 9}

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 32,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "model_type": "llama",
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "num_key_value_heads": 1,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "vocab_size": len(TOKENS),
}


def llama(config: Mapping[str, Any] = CONFIG, *, seed: int = 1) -> dict[str, Array]:
    """Random F32 weights of a llama under Hugging Face's names, by name."""
    random = np.random.default_rng(seed)
    width, heads, groups = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    head = config.get("head_dim") or width // heads
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config["vocab_size"], width)}
    for layer in range(config["num_hidden_layers"]):
        at, feed = f"model.layers.{layer}.", config["intermediate_size"]
        shapes |= {f"{at}self_attn.q_proj.weight": (heads * head, width)}
        shapes |= {f"{at}self_attn.{name}_proj.weight": (groups * head, width) for name in "kv"}
        shapes |= {f"{at}self_attn.o_proj.weight": (width, heads * head)}
        shapes |= {f"{at}mlp.{name}_proj.weight": (feed, width) for name in ("gate", "up")}
        shapes |= {f"{at}mlp.down_proj.weight": (width, feed)}
        shapes |= {f"{at}{name}_layernorm.weight": (width,) for name in ("input", "post_attention")}
    shapes["model.norm.weight"] = (width,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = shapes["model.embed_tokens.weight"]
    return {name: random.standard_normal(shape).astype(np.float32) / 8 for name, shape in shapes.items()}


# What a GGUF calls them.
GGUF_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name: str) -> str:
    """A GGUF's name for a llama's tensor."""
    if name in GGUF_NAMES:
        return GGUF_NAMES[name]
    layer, _, part = name.removeprefix("model.layers.").removesuffix(".weight").partition(".")
    return f"blk.{layer}.{GGUF_NAMES[part]}.weight"


def turned(name: str, config: Mapping[str, Any]) -> int:
    """Heads whose rows a GGUF has in pairs, for Q and K of a llama; 0 for other tensors."""
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    part = name.split(".")[-2]
    return int(config[heads[part]]) if part in heads else 0


def interleaved(rows: Array, heads: int) -> Array:
    """Rows of Q or K in adjacent pairs, from halves, as llama.cpp's conversion script has it."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def halved(rows: Array, heads: int) -> Array:
    """The inverse of `interleaved`."""
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def tensor(name: str, shape: tuple[int, ...], encoding: str, data: bytes) -> Tensor:
    """A tensor of the expected form from its bytes."""
    return Tensor.from_bytes(name, shape, ENCODINGS[encoding], data)


def byte_level(**fields: Any) -> Tokenizer:
    """The small byte-level BPE vocabulary that most gold files hold."""
    base: dict[str, Any] = {"kind": "bpe", "tokens": TOKENS, "types": TYPES, "merges": MERGES, "special": SPECIAL}
    return Tokenizer(**(base | fields))


def write_expected(
    path: Path,
    tensors: list[Tensor],
    config: Mapping[str, Any] | None = None,
    tokenizer: Tokenizer | None = None,
    **fields: Any,
) -> None:
    """Write the canonical form that the gold at `path` must be read as, beside it: NAME.expected.json.

    Small tensors are written number by number, others as the digest of their bytes.
    """
    model = Model({t.name: t for t in tensors}, Config(config or {}), Lazy.of(tokenizer), **fields)
    whole, short = dump(model), dump(model, digests=True)
    entries = zip(tensors, whole["tensors"], short["tensors"], strict=True)
    whole["tensors"] = [entry if t.size <= SMALL else digest for t, entry, digest in entries]
    save(whole, path.with_name(f"{path.name}.expected.json"))
