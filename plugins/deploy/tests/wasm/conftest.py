"""A tiny llama with a vocabulary of bytes, node, and a site's program where it is at hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

import hub_deploy.wasm
from hub.errors import HubError
from hub_deploy.wasm import Wllama, wllama

PAGE = Path(hub_deploy.wasm.__file__).parent / "page"
HIDDEN, FFN, LAYERS, HEADS, KV = 32, 64, 2, 4, 2
SPECIAL = ("<s>", "</s>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|user|>{% elif m.role == 'assistant' %}"
    "<|assistant|>{% endif %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

Convert = Callable[[Sequence[Path]], list[dict[str, Any]]]


def alphabet() -> list[str]:
    """GPT-2's printable character for each byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [b for b in range(256) if b not in kept]
    table = {b: chr(b) for b in kept} | {b: chr(256 + i) for i, b in enumerate(moved)}
    return [table[b] for b in range(256)]


def write_tiny(path: Path, template: str | None = TEMPLATE) -> Path:
    """A llama of two layers in F32 that writes letters, and never ends by itself."""
    tokens = [*alphabet(), *SPECIAL]
    kv = KV * HIDDEN // HEADS
    layer = {"attn_norm": (HIDDEN,), "attn_q": (HIDDEN, HIDDEN), "attn_k": (kv, HIDDEN), "attn_v": (kv, HIDDEN),
             "attn_output": (HIDDEN, HIDDEN), "ffn_norm": (HIDDEN,), "ffn_gate": (FFN, HIDDEN), "ffn_up": (FFN, HIDDEN),
             "ffn_down": (HIDDEN, FFN)}  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {f"blk.{i}.{n}": s for i in range(LAYERS) for n, s in layer.items()}
    shapes |= {"token_embd": (len(tokens), HIDDEN), "output_norm": (HIDDEN,), "output": (len(tokens), HIDDEN)}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    for add, value in (
        (writer.add_block_count, LAYERS), (writer.add_context_length, 512), (writer.add_embedding_length, HIDDEN),
        (writer.add_feed_forward_length, FFN), (writer.add_head_count, HEADS), (writer.add_head_count_kv, KV),
        (writer.add_rope_dimension_count, HIDDEN // HEADS), (writer.add_vocab_size, len(tokens)),
        (writer.add_bos_token_id, 256), (writer.add_eos_token_id, 257),
    ):  # fmt: skip
        add(value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 256 + [3] * len(SPECIAL))
    writer.add_token_merges(["a b"])
    if template is not None:
        writer.add_chat_template(template)
    random = np.random.default_rng(3)
    letters = [*range(ord("a"), ord("z")), ord(" ")]
    for name, shape in shapes.items():
        values = np.ones(shape) if "norm" in name else random.normal(size=shape) / np.sqrt(shape[-1])
        if name == "output":
            values = np.where(np.isin(np.arange(len(tokens)), letters)[:, None], 8 * values, 0)
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny llama as GGUF."""
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="session")
def to_gguf() -> Convert:
    """The page's script on APR files, in node: what it says of each; skips where there is no node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")

    def run(files: Sequence[Path]) -> list[dict[str, Any]]:
        command = [node, str(Path(__file__).parent / "to_gguf.mjs"), (PAGE / "apr.js").as_uri(), *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture(scope="session")
def program() -> Wllama:
    """llama.cpp for the browser, from HUB_WLLAMA or the cache; skips where it is in neither: no test fetches it."""
    given = os.environ.get("HUB_WLLAMA")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")
        try:
            return wllama(Path(given) if given else None)
        except HubError as error:
            pytest.skip(f"no @wllama/wllama: {error.message}; HUB_WLLAMA names one")
