"""Makes the tiny models of the matrix with transformers and writes them as real checkpoints are written."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from tests.oracle import vocabularies
from tests.oracle.case import Case
from tests.oracle.rewrites import add_pooling, rewrite_tokenizer, rewrite_weights
from tests.oracle.vocabularies import Vocabulary

TOKENS = 200


def build(case: Case, folder: Path) -> None:
    """Write the model of `case` into `folder`: weights, configuration, tokenizer, model card."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    torch.manual_seed(zlib.crc32(case.name.encode()))
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _vocabulary(case, folder)
    special = {"pad_token_id": None, **vocabulary.special}
    config = AutoConfig.for_model(case.family, **case.params, vocab_size=vocabulary.size + case.pad, **special)
    kind = AutoModel if case.family == "bert" else AutoModelForCausalLM
    model = kind.from_config(config, attn_implementation="eager")
    _randomise(model)
    model = model.to(getattr(torch, case.dtype))
    model.config.dtype = getattr(torch, case.dtype)
    model.save_pretrained(folder, max_shard_size="60KB" if case.shards else "5GB")
    if case.rewrite:
        rewrite_weights(case, folder / "model.safetensors")
    if case.files:
        rewrite_tokenizer(case, folder)
    if case.pooling:
        add_pooling(folder)
    _write_config(case, folder)
    _write_card(case, folder)


def _vocabulary(case: Case, folder: Path) -> Vocabulary:
    if case.vocabulary == "bert-bge":
        return vocabularies.wordpiece(folder)
    if case.vocabulary.startswith("spm:"):
        return vocabularies.sentencepiece(folder, case.vocabulary.removeprefix("spm:"))
    if case.vocabulary == "llama-bpe":
        special = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>")
        return vocabularies.byte_level(folder, case.vocabulary, special=special, bos=special[0])
    if case.family == "glm4":
        return vocabularies.byte_level(folder, case.vocabulary, special=("<|endoftext|>", "<|user|>"))
    if case.vocabulary in ("qwen2", "smollm"):
        special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
        return vocabularies.byte_level(folder, case.vocabulary, special=special)
    return vocabularies.byte_level(folder, case.vocabulary)


def _randomise(model: Any) -> None:
    """Every parameter random, norms and biases too: their defaults of one and zero would hide mistakes."""
    import torch

    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape)
            if p.ndim < 2:
                plain = "norm" in name.lower() or ".ln_" in name
                centre = p.mean() if plain and name.endswith("weight") else 0.0
                p.copy_(centre + 0.2 * noise)
            else:
                p.copy_(noise * p.shape[-1] ** -0.5)


def _write_config(case: Case, folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    if not case.modern:
        config = legacy(config, case)
    config = {k: v for k, v in config.items() if k not in case.drop} | dict(case.extra)
    path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    (folder / "generation_config.json").write_text(
        json.dumps({k: config[k] for k in ("bos_token_id", "eos_token_id") if config.get(k) is not None}
                   | {"temperature": 0.6, "top_p": 0.9, "top_k": 20, "do_sample": True}), "utf-8")  # fmt: skip


def legacy(config: dict[str, Any], case: Case) -> dict[str, Any]:
    """The configuration as checkpoints from before transformers 5 have it: rope_theta, rope_scaling, torch_dtype."""
    rope = config.pop("rope_parameters", None) or {}
    if "full_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    rope = dict(rope)
    share = rope.pop("partial_rotary_factor", None)
    theta = rope.pop("rope_theta", None)
    if case.family == "gpt_neox":
        config |= {"rotary_pct": share, "rotary_emb_base": int(theta)}
    else:
        config |= {"partial_rotary_factor": share} if share is not None else {}
        config |= {"rope_theta": theta} if theta is not None else {}
    if case.family == "phi3":
        config["original_max_position_embeddings"] = rope.get("original_max_position_embeddings", 512)
        rope = {k: rope[k] for k in ("rope_type", "short_factor", "long_factor") if k in rope}
        rope = {"type": rope["rope_type"], **{k: v for k, v in rope.items() if k != "rope_type"}}
    if theta is not None:
        config["rope_scaling"] = None if rope.get("rope_type", rope.get("type")) == "default" else rope
    config["torch_dtype"] = config.pop("dtype", "float32")
    config["transformers_version"] = "4.46.0"
    config.pop("layer_types", None)
    return config


def _write_card(case: Case, folder: Path) -> None:
    (folder / "README.md").write_text(
        f"---\nlicense: apache-2.0\nlanguage:\n- en\n- no\npipeline_tag: text-generation\ntags:\n- test\n"
        f"base_model: example/{case.name}-base\ndatasets:\n- example/set-1\n---\n\n# {case.name}\n",
        "utf-8",
    )


def prompt(case: Case, vocab_size: int) -> Any:
    """Ids of `TOKENS` tokens, the same for one vocabulary size: int64 [1, TOKENS]."""
    import torch

    generator = torch.Generator().manual_seed(len(case.name))
    return torch.randint(0, vocab_size, (1, TOKENS), generator=generator)


def logits(case: Case, folder: Path) -> Any:
    """What the model in `folder` answers to `prompt`, computed in float32: logits, or the last hidden state."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    kind = AutoModel if case.headless else AutoModelForCausalLM
    model = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        out = model(prompt(case, model.config.vocab_size))
    return out.last_hidden_state if case.headless else out.logits
