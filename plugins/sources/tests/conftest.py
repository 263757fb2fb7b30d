"""The Hub's stand-in as fixtures, and two small models to serve."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from hub_loopback import Loopback, served
from safetensors.numpy import save_file

from hub_sources import HuggingFace


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's own: no token, cache, policy or proxy."""
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING", "PIP_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in {
        "HF_HOME": str(tmp_path / "hf-home"),
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN_PATH": str(tmp_path / "hf-home" / "token"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PIP_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HUB_TRUST", raising=False)


@pytest.fixture
def hub_server() -> Iterator[Loopback]:
    """The stand-in, without repositories."""
    yield from served(Loopback())


@pytest.fixture
def elsewhere(hub_server: Loopback) -> Iterator[Loopback]:
    """A second server, which the first one sends those to who want large files."""
    other = Loopback()
    hub_server.elsewhere = other
    yield from served(other)


@pytest.fixture
def source(hub_server: Loopback, tmp_path: Path) -> HuggingFace:
    """The Hugging Face source, of that server and an empty cache, in no mood to wait."""
    return HuggingFace(hub_server.url, tmp_path / "cache", patience=(0.01, 0.01))


def gguf_bytes(folder: Path, seed: int = 3) -> bytes:
    """A small llama in GGUF, written by the gguf package."""
    rng, path = np.random.default_rng(seed), folder / f"made-{seed}.gguf"
    shapes = {"token_embd": (10, 32), "output_norm": (32,), "output": (10, 32), "blk.0.attn_norm": (32,)}
    shapes |= {f"blk.0.attn_{n}": (32, 32) for n in ("q", "k", "v", "output")} | {"blk.0.ffn_norm": (32,)}
    shapes |= {f"blk.0.ffn_{n}": (64, 32) for n in ("gate", "up")} | {"blk.0.ffn_down": (32, 64)}
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in {
        "block_count": 1,
        "context_length": 64,
        "embedding_length": 32,
        "feed_forward_length": 64,
    }.items():
        getattr(writer, f"add_{key}")(value)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(10)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["h", "e", "l", "o", "ll", "he", "lo", "hell", "<s>", "</s>"])
    writer.add_token_types([1] * 8 + [3] * 2)
    writer.add_token_merges(["h e", "l l", "he ll"])
    writer.add_bos_token_id(8)
    writer.add_eos_token_id(9)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


@pytest.fixture(scope="session")
def model_gguf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a small model in GGUF."""
    return gguf_bytes(tmp_path_factory.mktemp("gguf"))


CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 16,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
    "tie_word_embeddings": False, "torch_dtype": "float32",
}  # fmt: skip


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small SafeTensors repository in two shards, without tokenizer, with what has no business there."""
    rng, folder = np.random.default_rng(4), tmp_path_factory.mktemp("folder")
    layer = {"input_layernorm": (32,), "post_attention_layernorm": (32,), "mlp.down_proj": (32, 64)}
    layer |= {f"self_attn.{n}_proj": (32, 32) for n in "qkvo"} | {f"mlp.{n}_proj": (64, 32) for n in ("gate", "up")}
    shapes = {"model.embed_tokens.weight": (16, 32), "lm_head.weight": (16, 32), "model.norm.weight": (32,)}
    shapes |= {f"model.layers.0.{n}.weight": s for n, s in layer.items()}
    names = sorted(shapes)
    files: dict[str, bytes] = {}
    weights: dict[str, str] = {}
    for number, part in enumerate((names[:6], names[6:]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({n: rng.normal(size=shapes[n]).astype(np.float32) for n in part}, folder / file)
        files[file] = (folder / file).read_bytes()
        weights |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": weights}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    files["config.json"] = json.dumps(CONFIG).encode()
    files["README.md"] = b"---\nlicense: mit\n---\n# Tiny\n"
    files["LICENSE"] = b"MIT"
    aside = {"pytorch_model.bin": b"\x80\x02pickle", "onnx/model.onnx": b"onnx", "flax_model.msgpack": b"flax"}
    aside |= {"onnx/config.json": b"{}", "pytorch_model.bin.index.json": b"{}", ".gitattributes": b"*.bin"}
    return files | aside
