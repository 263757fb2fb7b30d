"""Model folders that `transformers` writes with save_pretrained."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from conformance.scripts.gold._inputs import CONFIG, GOLD, MERGES, TOKENS, byte_level, llama, tensor, write_expected
from hub.ir import Tensor

# Of torch's types, what the canonical form calls them.
KINDS = {torch.float32: "F32", torch.bfloat16: "BF16"}


def write() -> None:
    """A llama in one file, in shards, and with its output tied to the embedding."""
    folder = GOLD / "safetensors" / f"transformers-{version('transformers')}"
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / "llama", CONFIG, torch.float32)
    _save(folder / "llama-shards", CONFIG, torch.bfloat16, max_shard_size="9KB")
    _save(folder / "llama-tied", {**CONFIG, "tie_word_embeddings": True}, torch.bfloat16)


def model_of(config: dict[str, Any], dtype: torch.dtype) -> Any:
    """The model with the weights of the inputs."""
    stated = {key: value for key, value in config.items() if key not in {"architectures", "model_type"}}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**stated, bos_token_id=8, eos_token_id=9))
    weights = {name: torch.from_numpy(values) for name, values in llama(config).items()}
    if config["tie_word_embeddings"]:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model.load_state_dict(weights)
    return model.to(dtype)


def tokenizer() -> Any:
    """The byte-level vocabulary as transformers holds it."""
    backend = Tokenizer(
        models.BPE(
            {token: i for i, token in enumerate(TOKENS[:8])},
            [(left, right) for left, _, right in (merge.partition(" ") for merge in MERGES)],
        )
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in TOKENS[8:]])
    named = dict(zip(("bos_token", "eos_token"), TOKENS[8:], strict=True))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **named)


def _save(path: Path, config: dict[str, Any], dtype: torch.dtype, **how: Any) -> None:
    model = model_of(config, dtype)
    model.save_pretrained(path, **how)
    tokenizer().save_pretrained(path)
    stored = model.state_dict()
    ties = {"lm_head.weight": "model.embed_tokens.weight"} if config["tie_word_embeddings"] else {}
    expected = [_tensor(name, stored[name]) for name in sorted(stored) if name not in ties]
    files = {
        file.name: file.read_bytes()
        for file in sorted(path.iterdir())
        if file.suffix != ".safetensors" and not file.name.endswith(".index.json")
    }
    write_expected(path, expected, json.loads(files["config.json"]), byte_level(pre="gpt-2"), ties=ties, files=files)


def _tensor(name: str, values: torch.Tensor) -> Tensor:
    raw = values.contiguous().view(torch.uint8).numpy().tobytes()
    return tensor(name, tuple(values.shape), KINDS[values.dtype], raw)
