"""Vectors that are small whole models: every tensor of a family, a tokenizer of each kind, a configuration."""

from __future__ import annotations

from typing import Any

from conformance.scripts.valid._tokenizers import TOKENIZERS
from hub.architectures import family
from hub.ir import ENCODINGS
from hub_conformance.notation import SCHEMA

Document = dict[str, Any]

_LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0, "max_position_embeddings": 128, "hidden_act": "silu", "attention_bias": False,
    "mlp_bias": False,
}  # fmt: skip
_BERT = {
    "architectures": ["BertModel"], "model_type": "bert", "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12, "hidden_act": "gelu",
}  # fmt: skip
_GPT2 = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 32, "n_layer": 1, "n_head": 2,
    "n_positions": 16, "layer_norm_epsilon": 1e-05, "activation_function": "gelu_new", "tie_word_embeddings": True,
}  # fmt: skip
_GEMMA2 = {
    "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0, "max_position_embeddings": 64, "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": 16, "sliding_window": 32, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
    "tie_word_embeddings": True,
}  # fmt: skip
_MIXTRAL = {
    "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0, "max_position_embeddings": 64, "num_local_experts": 3, "num_experts_per_tok": 2,
    "hidden_act": "silu", "tie_word_embeddings": False,
}  # fmt: skip


def whole(
    shows: str, config: dict[str, Any], tokenizer: str | None, encoding: str = "F32", *, tied: bool = False, **rest: Any
) -> Document:
    """A vector with every tensor that a model of the configuration has; matrices in `encoding` where their rows fit."""
    words = TOKENIZERS[tokenizer] if tokenizer else None
    size = len(words["tokens"]) if words else 40
    config = {**config, "vocab_size": size, "tie_word_embeddings": config.get("tie_word_embeddings", tied)}
    known = family(config)
    assert known is not None  # noqa: S101 - a script's own slip
    head = known.head[0] if known.head and config["tie_word_embeddings"] else None
    tensors = [
        _entry(seed, slot.name, list(slot.shape), encoding)
        for seed, slot in enumerate(known.expected(config), 1)
        if slot.required and slot.name != head
    ]
    made: Document = {"schema": SCHEMA, "shows": shows, "naming": "hf", "tensors": tensors, "config": config}
    made |= {"ties": {head: known.head[1]}} if head and known.head else {}
    return made | ({"tokenizer": words} if words else {}) | rest


def _entry(seed: int, name: str, shape: list[int], encoding: str) -> dict[str, Any]:
    fits = len(shape) > 1 and shape[-1] % ENCODINGS[encoding].block == 0
    chosen = encoding if fits else "F32"
    way = "uniform" if chosen in {"F32", "F16", "BF16"} else "bits"
    return {"name": name, "encoding": chosen, "shape": shape, "seed": seed, "way": way}


def models() -> dict[str, Document]:
    """Models of several families, with a tokenizer of each kind, by name."""
    card = {"name": "Tiny", "author": "N. N.", "license": "mit", "tags": ["conformance"]}
    return {
        "llama-bpe": whole("grouped queries, byte-level BPE", _LLAMA, "bpe", metadata=card),
        "llama-spm-tied": whole("ties, SentencePiece BPE, blocks whose rows move", _LLAMA, "spm", "Q8_0", tied=True),
        "llama-half": whole("half precision throughout", _LLAMA, None, "BF16"),
        "llama-templates": whole("several chat templates", _LLAMA, "templates"),
        "llama-shards": whole("a model in several files", _LLAMA, "bpe", shard_size=60_000),
        "gpt2-bpe": whole("matrices that lie transposed, ties", _GPT2, "gpt2"),
        "gemma2-spm": whole("norms with a one to add, ties", _GEMMA2, "spm", "BF16"),
        "mixtral-experts": whole("experts that are stacked", _MIXTRAL, "bpe", "Q4_0"),
        "bert-wordpiece": whole("an encoder, WordPiece", _BERT, "wordpiece"),
        "t5-unigram": _unigram(),
    }


def _unigram() -> Document:
    words = TOKENIZERS["unigram"]
    shape = [len(words["tokens"]), 16]
    tensors = [{"name": "shared.weight", "encoding": "F32", "shape": shape, "seed": 1, "way": "uniform"}]
    return {
        "schema": SCHEMA, "shows": "SentencePiece Unigram, an architecture that is in no table", "naming": "native",
        "tensors": tensors, "config": {"vocab_size": shape[0], "d_model": 16}, "tokenizer": words,
        "metadata": {"architecture": "t5"},
    }  # fmt: skip
