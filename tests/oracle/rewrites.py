"""What published checkpoints do to weights and tokenizer files that transformers itself would not write today."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.oracle.case import Case

Tensors = dict[str, Any]


def _head_stored(_case: Case, tensors: Tensors) -> Tensors:
    return {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}


def _gpt2(case: Case, tensors: Tensors) -> Tensors:
    import torch

    mask = torch.ones(case.params["n_positions"], case.params["n_positions"]).tril()[None, None]
    bare = {name.removeprefix("transformer."): t for name, t in tensors.items()}
    return bare | {f"h.{i}.attn.bias": mask.clone() for i in range(case.params["n_layer"])}


def _neox(case: Case, tensors: Tensors) -> Tensors:
    import torch

    out = dict(tensors)
    for i in range(case.params["num_hidden_layers"]):
        layer = f"gpt_neox.layers.{i}.attention."
        out[f"{layer}bias"] = torch.ones(1, 1, 64, 64, dtype=torch.bool).tril()
        out[f"{layer}masked_bias"] = torch.tensor(-1e9)
        out[f"{layer}rotary_emb.inv_freq"] = torch.rand(2)
    return out


def _llama(case: Case, tensors: Tensors) -> Tensors:
    import torch

    layers = range(case.params["num_hidden_layers"])
    return tensors | {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.rand(8) for i in layers}


def _bert(_case: Case, tensors: Tensors) -> Tensors:
    import torch

    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    out = {}
    for name, t in tensors.items():
        for new, was in old.items():
            name = name.replace(new, was)
        out[f"bert.{name}"] = t
    return out | {
        "cls.predictions.bias": torch.rand(tensors["embeddings.word_embeddings.weight"].shape[0]),
        "cls.predictions.transform.dense.weight": torch.rand(64, 64),
        "cls.predictions.transform.dense.bias": torch.rand(64),
        "cls.predictions.transform.LayerNorm.gamma": torch.rand(64),
        "cls.predictions.transform.LayerNorm.beta": torch.rand(64),
        "cls.seq_relationship.weight": torch.rand(2, 64),
        "cls.seq_relationship.bias": torch.rand(2),
    }


def _fused_experts(case: Case, tensors: Tensors) -> Tensors:
    """All experts of a layer in two tensors, as transformers 5 holds them."""
    import torch

    out = {name: t for name, t in tensors.items() if ".experts." not in name}
    for i in range(case.params["num_hidden_layers"]):
        prefix, experts = f"model.layers.{i}.mlp.experts.", range(case.params["num_experts"])
        gate, up, down = (
            torch.stack([tensors[f"{prefix}{e}.{part}_proj.weight"] for e in experts])
            for part in ("gate", "up", "down")
        )
        out |= {f"{prefix}gate_up_proj": torch.cat([gate, up], 1), f"{prefix}down_proj": down}
    return out


def _base(_case: Case, tensors: Tensors) -> Tensors:
    return {name.removeprefix("model."): t for name, t in tensors.items() if name != "lm_head.weight"}


_WEIGHTS: Mapping[str, Callable[[Case, Tensors], Tensors]] = {
    "head stored": _head_stored, "published gpt2": _gpt2, "published gptneox": _neox, "published llama": _llama,
    "published bert": _bert, "fused experts": _fused_experts, "base model": _base,
}  # fmt: skip


def rewrite_weights(case: Case, path: Path) -> None:
    """Replace the weights' file at `path` by what `case.rewrite` names."""
    from safetensors.torch import load_file, save_file

    save_file(_WEIGHTS[case.rewrite](case, load_file(path)), path, metadata={"format": "pt"})


def _read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return values


def _write(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2), "utf-8")


def _template_file(folder: Path) -> None:
    config = _read(folder / "tokenizer_config.json")
    (folder / "chat_template.jinja").write_text(config.pop("chat_template") + "{# a file of its own #}", "utf-8")
    _write(folder / "tokenizer_config.json", config)


def _templates(folder: Path) -> None:
    config = _read(folder / "tokenizer_config.json")
    named = [{"name": "default", "template": config["chat_template"]}, {"name": "tool_use", "template": "{{ tools }}"}]
    _write(folder / "tokenizer_config.json", config | {"chat_template": named})


def _objects(folder: Path) -> None:
    """Special tokens as objects, as older tokenizers state them."""
    config = _read(folder / "tokenizer_config.json")
    for name in ("bos_token", "eos_token"):
        config[name] = {"__type": "AddedToken", "content": config[name], "lstrip": False, "normalized": True}
    _write(folder / "tokenizer_config.json", config | {"add_bos_token": True})


def _added(folder: Path) -> None:
    """Added tokens that are not special: a word, one with a space, one that looks special."""
    tokenizer, config = _read(folder / "tokenizer.json"), _read(folder / "tokenizer_config.json")
    at = max(a["id"] for a in tokenizer["added_tokens"]) + 1
    for i, content in enumerate(("supercalifragilistic", "two words", "<|tool|>", "▁under")):
        flags = {"content": content, "single_word": i == 0, "lstrip": i == 1, "rstrip": False, "normalized": i == 0}
        tokenizer["added_tokens"].append({"id": at + i, **flags, "special": False})
        config["added_tokens_decoder"][str(at + i)] = {**flags, "special": False}
    _write(folder / "tokenizer.json", tokenizer)
    _write(folder / "tokenizer_config.json", config)


def _bare(folder: Path) -> None:
    """tokenizer.json and nothing beside it."""
    for name in ("tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt"):
        (folder / name).unlink()


def _gpt2_class(folder: Path) -> None:
    """The class by which the script knows a Phi whose tokenizer is no SentencePiece."""
    config = _read(folder / "tokenizer_config.json")
    _write(folder / "tokenizer_config.json", config | {"tokenizer_class": "GPT2Tokenizer"})


def _old_merges(folder: Path) -> None:
    """Merges as lines of text, as tokenizers wrote them before 0.20."""
    tokenizer = _read(folder / "tokenizer.json")
    tokenizer["model"]["merges"] = [" ".join(pair) for pair in tokenizer["model"]["merges"]]
    _write(folder / "tokenizer.json", tokenizer)


_TOKENIZERS: Mapping[str, Callable[[Path], None]] = {
    "template file": _template_file, "templates": _templates, "objects": _objects, "added": _added, "bare": _bare,
    "old merges": _old_merges, "gpt2 class": _gpt2_class,
}  # fmt: skip


def rewrite_tokenizer(case: Case, folder: Path) -> None:
    """Change the tokenizer's files in `folder` to what `case.files` names."""
    _TOKENIZERS[case.files](folder)


def add_pooling(folder: Path) -> None:
    """What sentence-transformers puts beside BERT: its modules, and that the first token stands for the text."""
    _pooling = {"word_embedding_dimension": 64, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules), "utf-8")
    (folder / "1_Pooling").mkdir()
    _write(folder / "1_Pooling" / "config.json", _pooling)
