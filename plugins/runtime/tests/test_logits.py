"""Models made by a script, in three formats, against a forward pass in NumPy.

The pass below is written after the papers: RMS norm (Zhang and Sennrich 2019), rotary embeddings over half-split pairs
(Su et al. 2021, as Hugging Face lays them out), grouped-query attention (Ainslie et al. 2023), SwiGLU (Shazeer 2020).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from hub.cli import main
from hub.ir import Config, Tokenizer
from hub.opening import open_model
from hub_runtime.engine import load
from hub_runtime.loading import Wanted, load_any
from hub_safetensors.tokenizer import write_files

Floats = NDArray[np.float64]

BASE = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "rms_norm_eps": 1e-6,
    "max_position_embeddings": 256, "hidden_act": "silu", "torch_dtype": "float32", "rope_theta": 10000.0,
}  # fmt: skip
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **BASE}
QWEN = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", **BASE, "rope_theta": 1000000.0}
MODELS = {
    "untied": {**LLAMA, "num_key_value_heads": 4, "tie_word_embeddings": False},
    "grouped": {**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen2": {**QWEN, "num_key_value_heads": 1, "tie_word_embeddings": True},
}


@dataclass(frozen=True)
class Made:
    """One model: its folder, and GGUF and APR files that hub made of it."""

    folder: Path
    gguf: Path
    apr: Path
    prompt: list[int]
    pre: str | None


def shapes(config: dict[str, Any], vocabulary: int) -> dict[str, tuple[int, ...]]:
    h, f = config["hidden_size"], config["intermediate_size"]
    kv = h // config["num_attention_heads"] * config["num_key_value_heads"]
    layer: dict[str, tuple[int, ...]] = {
        "input_layernorm.weight": (h,), "post_attention_layernorm.weight": (h,), "self_attn.q_proj.weight": (h, h),
        "self_attn.k_proj.weight": (kv, h), "self_attn.v_proj.weight": (kv, h), "self_attn.o_proj.weight": (h, h),
        "mlp.gate_proj.weight": (f, h), "mlp.up_proj.weight": (f, h), "mlp.down_proj.weight": (h, f),
    }  # fmt: skip
    if config["model_type"] == "qwen2":
        layer |= {f"self_attn.{n}_proj.bias": (s,) for n, s in (("q", h), ("k", kv), ("v", kv))}
    ends: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, h), "model.norm.weight": (h,)}
    if not config["tie_word_embeddings"]:
        ends["lm_head.weight"] = (vocabulary, h)
    return ends | {f"model.layers.{i}.{n}": s for i in range(config["num_hidden_layers"]) for n, s in layer.items()}


def write_folder(folder: Path, config: dict[str, Any], tokenizer: Tokenizer) -> Path:
    folder.mkdir()
    random = np.random.default_rng(17)
    tensors = {
        name: ((1 + 0.1 * random.normal(size=s)) if "norm" in name else random.normal(size=s) / np.sqrt(s[-1])).astype(
            np.float32
        )
        for name, s in shapes(config, len(tokenizer.tokens)).items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = config | {"vocab_size": len(tokenizer.tokens)}
    (folder / "config.json").write_text(json.dumps(config))
    for name, data in write_files(tokenizer, Config(config)).items():
        (folder / name).write_bytes(data)
    return folder


VARIANTS = [(kind, vocabulary) for kind in MODELS for vocabulary in ("bytes", "qwen2")]


@pytest.fixture(scope="module", params=VARIANTS, ids="-".join)
def made(request: pytest.FixtureRequest, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Each kind of model, with a vocabulary of bytes and with Qwen2's own."""
    kind, vocabulary = request.param
    words = tiny if vocabulary == "bytes" else request.getfixturevalue("llama_vocabs")[vocabulary]
    tokenizer = open_model(words)[1].tokenizer.get()
    assert tokenizer is not None
    path = tmp_path_factory.mktemp("logits")
    folder = write_folder(path / "model", MODELS[kind], tokenizer)
    for name in ("model.gguf", "model.apr"):
        pre = ("--pre", str(tokenizer.pre)) if name == "model.gguf" else ()
        assert main(["convert", str(folder), str(path / name), *pre]) == 0
    prompt = [int(i) for i in np.random.default_rng(2).integers(0, 250, size=40)]
    return Made(folder, path / "model.gguf", path / "model.apr", prompt, tokenizer.pre)


def computed(source: Path, tokens: list[int], pre: str | None) -> NDArray[np.float32]:
    """What llama.cpp computes of `source`, bridged where it must be: shape (tokens, vocabulary)."""
    with (
        load_any(Wanted(source, gpu_layers=0, pre=pre)) as loaded,
        loaded.model.context(256, threads=1) as context,
    ):
        batch = context.batch()
        batch.add(tokens, 0, 0, logits=True)
        context.decode(batch)
        return np.array([context.logits(i) for i in range(len(tokens))])


@pytest.mark.usefixtures("llama")
def test_all_formats_give_the_same_logits_and_those_are_right(made: Made) -> None:
    gguf = computed(made.gguf, made.prompt, None)
    assert np.array_equal(computed(made.apr, made.prompt, made.pre), gguf)
    assert np.array_equal(computed(made.folder, made.prompt, made.pre), gguf)
    right = forward(made.folder, made.prompt)
    # llama.cpp keeps keys and values in F16
    assert np.abs(gguf - right).max() < 0.01 * right.std()
    assert np.array_equal(gguf.argmax(1), right.argmax(1))


@pytest.mark.usefixtures("llama")
def test_the_pass_tells_a_wrong_model_from_a_right_one(made: Made, tmp_path: Path) -> None:
    weights = load_file(made.folder / "model.safetensors")
    q = weights["model.layers.0.self_attn.q_proj.weight"]
    weights["model.layers.0.self_attn.q_proj.weight"] = np.concatenate([q[1:2], q[:1], q[2:]])
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((made.folder / "config.json").read_bytes())
    with load(made.gguf, gpu_layers=0) as model, model.context(256, threads=1) as context:
        batch = context.batch()
        last = batch.add(made.prompt, 0, 0)
        context.decode(batch)
        wrong = forward(tmp_path, made.prompt)[-1]
        assert np.abs(context.logits(last) - wrong).max() > 0.02 * wrong.std()


def forward(folder: Path, tokens: list[int]) -> Floats:
    """The logits behind every token, shape (tokens, vocabulary), in double precision."""
    config = json.loads((folder / "config.json").read_text())
    weights = {name: w.astype(np.float64) for name, w in load_file(folder / "model.safetensors").items()}
    x: Floats = weights["model.embed_tokens.weight"][tokens]
    for layer in range(config["num_hidden_layers"]):
        own = {n.split(".", 3)[3]: w for n, w in weights.items() if n.startswith(f"model.layers.{layer}.")}
        x = x + attention(norm(x, own["input_layernorm.weight"], config), own, config)
        x = x + feed_forward(norm(x, own["post_attention_layernorm.weight"], config), own)
    x = norm(x, weights["model.norm.weight"], config)
    return np.asarray(x @ weights.get("lm_head.weight", weights["model.embed_tokens.weight"]).T)


def norm(x: Floats, weight: Floats, config: Any) -> Floats:
    return np.asarray(x / np.sqrt((x * x).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weight)


def linear(x: Floats, own: dict[str, Floats], name: str) -> Floats:
    return np.asarray(x @ own[f"{name}.weight"].T + own.get(f"{name}.bias", np.float64(0)))


def attention(x: Floats, own: dict[str, Floats], config: Any) -> Floats:
    heads, kv, n = config["num_attention_heads"], config["num_key_value_heads"], len(x)
    size = config["hidden_size"] // heads
    q = rotated(linear(x, own, "self_attn.q_proj").reshape(n, heads, size), config["rope_theta"])
    k = rotated(linear(x, own, "self_attn.k_proj").reshape(n, kv, size), config["rope_theta"])
    v = linear(x, own, "self_attn.v_proj").reshape(n, kv, size)
    k, v = np.repeat(k, heads // kv, axis=1), np.repeat(v, heads // kv, axis=1)
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size)
    scores = np.where(np.tril(np.ones((n, n), bool)), scores, -np.inf)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return linear(np.einsum("hqk,khd->qhd", shares, v).reshape(n, heads * size), own, "self_attn.o_proj")


def rotated(x: Floats, theta: float) -> Floats:
    half = x.shape[-1] // 2
    angles = np.arange(len(x))[:, None] * theta ** (-np.arange(half) / half)
    cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def feed_forward(x: Floats, own: dict[str, Floats]) -> Floats:
    gate = linear(x, own, "mlp.gate_proj")
    return linear(gate / (1 + np.exp(-gate)) * linear(x, own, "mlp.up_proj"), own, "mlp.down_proj")
