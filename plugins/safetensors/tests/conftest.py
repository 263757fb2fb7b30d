"""Model folders small enough to look at, and a way to write models without the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from hub.interface import Options
from hub.ir import Model
from hub.pipeline import Copier, Silent, Target, default_budget
from hub_safetensors import SafeTensors

Arrays = dict[str, NDArray[Any]]

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 16,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "vocab_size": 40,
}

README = """---
license: apache-2.0
language:
- en
- no
tags: [tiny, test]  # two
---

# A model
"""


def llama_arrays(config: dict[str, Any] = CONFIG, dtype: Any = np.float32) -> Arrays:
    """Random weights under the names of the llama family; lm_head left out when it is tied."""
    random = np.random.default_rng(7)
    hidden, ffn, kv = config["hidden_size"], config["intermediate_size"], config["hidden_size"] // 2
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        shapes |= {f"{layer}self_attn.{p}_proj.weight": (hidden, hidden) for p in "qo"}
        shapes |= {f"{layer}self_attn.{p}_proj.weight": (kv, hidden) for p in "kv"}
        shapes |= {f"{layer}mlp.{p}_proj.weight": (ffn, hidden) for p in ("gate", "up")}
        shapes |= {f"{layer}mlp.down_proj.weight": (hidden, ffn)}
        shapes |= {f"{layer}{n}_layernorm.weight": (hidden,) for n in ("input", "post_attention")}
    shapes["model.norm.weight"] = (hidden,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = shapes["model.embed_tokens.weight"]
    return {name: random.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a Hugging Face folder: `arrays` in one file, or in `shards` (lists of names) with an index."""

    def make(
        arrays: Arrays | None = None,
        config: dict[str, Any] | None = None,
        shards: list[list[str]] | None = None,
        name: str = "model",
        **files: str,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        arrays = llama_arrays() if arrays is None else arrays
        (folder / "config.json").write_text(json.dumps(CONFIG if config is None else config, indent=2))
        for file, text in files.items():
            (folder / file.replace("__", ".")).write_text(text)
        if shards is None:
            save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
            return folder
        weight_map = {}
        for number, names in enumerate(shards, 1):
            shard = f"model-{number:05}-of-{len(shards):05}.safetensors"
            save_file({n: arrays[n] for n in names}, folder / shard, metadata={"format": "pt"})
            weight_map.update(dict.fromkeys(names, shard))
        index = {"metadata": {"total_size": sum(a.nbytes for a in arrays.values())}, "weight_map": weight_map}
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        (folder / "model.safetensors.index.json").write_text(text)
        return folder

    return make


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> Path:
    """A llama folder with documents of every kind but a tokenizer."""
    path = make_folder(
        README__md=README, generation_config__json='{"eos_token_id": [1, 2]}', chat_template__jinja="{{ x }}"
    )
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling" / "config.json").write_text("{}")
    (path / "picture.png").write_bytes(b"\x89PNG")
    return path


@pytest.fixture
def write() -> Callable[..., Path]:
    """Writes a model to a path, a folder when it has no extension, without verification."""

    def run(model: Model, path: Path, **options: Any) -> Path:
        fmt = SafeTensors()
        chosen = Options(folder=not path.suffix, **options)
        plan = fmt.plan(model, chosen)
        with Target(
            path, Copier(default_budget(), Silent()), folder=chosen.folder, overwrite=chosen.overwrite
        ) as target:
            fmt.write(plan, target, chosen)
            target.commit()
        return path

    return run


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Reads every file of a folder, by relative name."""
    return lambda top: {p.relative_to(top).as_posix(): p.read_bytes() for p in top.rglob("*") if p.is_file()}


@pytest.fixture
def llama() -> Callable[..., Arrays]:
    """Makes the weights of a llama, from its config and a NumPy type."""
    return llama_arrays


@pytest.fixture
def config() -> dict[str, Any]:
    """The llama's config.json."""
    return dict(CONFIG)
