"""Models that other programs wrote: what their keys and names mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hub.architectures import family
from hub.ir import Config, Lazy, Model, Tensor
from hub_apr._hyperparameters import config_of
from hub_apr._tokenizer_keys import foreign_tokenizer
from hub_apr.container import Container, Dialect, Legacy, shared

# The GGUF names that the inference loader accepts, for the families it runs, and their Hugging Face names.
_LAYER = "model.layers.{}."
_ENDS = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
         "output.weight": "lm_head.weight"}  # fmt: skip
_INNER = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
          "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
          "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj",
          "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}  # fmt: skip
_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")
_NAMED_SO = {"llama", "mistral", "qwen2", "qwen3"}
_INTERLEAVED = {"llama", "mistral"}  # a GGUF of these has the rows of Q and K in adjacent pairs
_LISTS = ("tokenizer.vocabulary", "tokenizer.merges", "tokenizer.scores", "tokenizer.token_type")
_SHOWN = ("name", "description", "author", "license", "version", "source", "original_format")


def foreign_model(parts: Sequence[Container]) -> Model:
    """A v2 model from the keys that the format defines; names and row orders become Hugging Face's where known."""
    metadata = dict(parts[0].metadata)
    config = config_of(metadata)
    tensors, ties = _stored(parts)
    notes: list[str] = []
    gguf = any(_BLOCK.fullmatch(name) or name == "token_embd.weight" for name in tensors)
    if gguf:
        tensors, ties, config, notes = _from_gguf(tensors, ties, config, parts[0].dialect)
    elif metadata.get("rope_type") == 0 and config.family in _INTERLEAVED:
        notes = ["rope_type is 0, but Hugging Face names come with Hugging Face's row order: rows are left as they are"]
    native = family(config) is None or (gguf and not any(name.startswith("model.") for name in tensors))
    if native:
        notes.append("its architecture is in no table: tensors keep the names and rows of the file")
    return Model(
        tensors=tensors,
        config=config,
        tokenizer=Lazy(lambda: foreign_tokenizer(metadata)),
        metadata=_shown(metadata) | {"format": str(Dialect.V2)},
        ties=ties,
        source=Lazy(lambda: {"apr": {"metadata": {k: v for k, v in metadata.items() if k not in _LISTS}}}),
        naming="native" if native else "hf",
        notes=tuple(notes),
        path=parts[0].image.path,
    )


def legacy_model(opened: Legacy) -> Model:
    """A model in one of the older dialects; names stay as they are."""
    damaged = ["the checksum at the end is wrong"] if opened.footer_valid is False else []
    return Model(
        tensors={tensor.name: tensor for tensor in opened.tensors},
        config=config_of(opened.metadata),
        metadata=_shown(opened.metadata) | {"format": opened.dialect},
        source=Lazy(lambda: {"apr": {"metadata": dict(opened.metadata)}}),
        naming="native",
        notes=tuple(damaged),
        path=opened.image.path,
    )


def _shown(metadata: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: metadata[key] for key in _SHOWN if isinstance(metadata.get(key), str)}
    quantization = metadata.get("quantization")
    if isinstance(quantization, dict):
        found["quantization"] = quantization["quant_type"]
    if isinstance(metadata.get("architecture"), str):
        found["architecture"] = metadata["architecture"]
    return found


def _stored(parts: Sequence[Container]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors in the order of their data, and names that share all bytes of another."""
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    for part in parts:
        last = None
        for entry in sorted(part.entries, key=lambda e: (e.offset, e.size, e.name == "lm_head.weight", e.name)):
            if last is not None and entry.size and shared(last, entry):
                ties[entry.name] = last.name
                continue
            tensors[entry.name], last = part.tensor(entry), entry
    return tensors, ties


def _from_gguf(
    tensors: Mapping[str, Tensor], ties: Mapping[str, str], config: Config, dialect: str
) -> tuple[dict[str, Tensor], dict[str, str], Config, list[str]]:
    """Tensors under GGUF names as Hugging Face has them; as they are for families that the table does not hold."""
    turned = {name: _outermost_first(tensor, dialect) for name, tensor in tensors.items()}
    names = {name: hf for name in (*turned, *ties) if (hf := _hf_name(name))}
    if config.family not in _NAMED_SO or len(names) != len(turned) + len(ties):
        return turned, dict(ties), config, ["GGUF names of a family without a table here: names and rows stay"]
    notes = ["GGUF names became Hugging Face's"]
    if config.family in _INTERLEAVED:
        turned = {name: _split_halves(tensor, config) for name, tensor in turned.items()}
        notes.append("rows of Q and K were put in Hugging Face's order")
    if "output.weight" not in turned and "output.weight" not in ties:
        config = config.merged({"tie_word_embeddings": True})
        ties = {**ties, "output.weight": "token_embd.weight"}
        names["output.weight"] = _ENDS["output.weight"]
    renamed = {names[name]: tensor.named(names[name]) for name, tensor in turned.items()}
    return renamed, {names[alias]: names[name] for alias, name in ties.items()}, config, notes


def _outermost_first(tensor: Tensor, dialect: str) -> Tensor:
    """Matrices come with their shape turned; the importer leaves stacks of matrices in GGML's order."""
    if len(tensor.shape) < 3 or dialect == "realizar":
        return tensor
    shape = tensor.shape[::-1]
    width = tensor.encoding.row_nbytes(shape[-1])
    return tensor if width != tensor.rows.width else replace(tensor, shape=shape)


def _hf_name(name: str) -> str | None:
    block = _BLOCK.fullmatch(name)
    if block is None or block[2] not in _INNER:
        return _ENDS.get(name)
    return f"{_LAYER.format(block[1])}{_INNER[block[2]]}.{block[3]}"


def _split_halves(tensor: Tensor, config: Config) -> Tensor:
    """Rows of Q and K from adjacent pairs to split halves, head by head: row 2j + k to row j + k x half."""
    block = _BLOCK.fullmatch(tensor.name)
    if block is None or block[2] not in {"attn_q", "attn_k"}:
        return tensor
    heads = config.require("num_attention_heads", int) if block[2] == "attn_q" else config.num_kv_heads
    rows = tensor.shape[0]
    if heads < 1 or rows % (2 * heads):
        return tensor
    return tensor.take(np.arange(rows, dtype=np.int64).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1))
