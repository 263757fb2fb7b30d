"""The tiny model with other weights, and documents of commands whose answer is no."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

import hub_runtime

SCHEMAS = Path(hub_runtime.__file__).parent / "schemas"

Array = NDArray[np.float32]
Exact = NDArray[np.float64]
Edit = Callable[[Array], Any]
Edited = Callable[[str, Mapping[str, Edit]], Path]
Judged = Callable[..., tuple[int, Any]]


@pytest.fixture(autouse=True)
def _needs_llama(llama: None) -> None:
    """Nothing here measures without llama-cpp-python."""


@pytest.fixture(scope="session")
def edited(tiny: Path) -> Edited:
    """`edited(name, {tensor: change})`: a copy of the tiny model with changed weights."""

    def made(name: str, edits: Mapping[str, Edit]) -> Path:
        path = Path(shutil.copy(tiny, tiny.with_name(f"{name}.gguf")))
        reader = gguf.GGUFReader(path, "r+")
        for tensor in reader.tensors:
            if tensor.name in edits:
                tensor.data[...] = edits[tensor.name](np.array(tensor.data))
        reader.data.flush()
        return path

    return made


@pytest.fixture(scope="session")
def varied(edited: Edited) -> Path:
    """The tiny model with norm weights that are not all one."""
    random = np.random.default_rng(5)
    names = ("blk.0.attn_norm", "blk.0.ffn_norm", "blk.1.attn_norm", "blk.1.ffn_norm", "output_norm")
    return edited("varied", {f"{n}.weight": lambda w: w * random.uniform(0.5, 1.5, w.shape) for n in names})


def validated(text: str, name: str) -> Any:
    """The JSON document in `text`, held against the schema `name`."""
    found = json.loads(text)
    assert found["schema"] == f"hub.{name}/1"
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(found)
    return found


@pytest.fixture(scope="session")
def read_document() -> Callable[[str, str], Any]:
    """Reads the document in a text and holds it against its schema."""
    return validated


@pytest.fixture
def judged(hub: Callable[..., Any]) -> Judged:
    """`judged(schema, *args)`: exit code, 0 or 1, and document of a command; its text mode exits alike."""

    def ran(name: str, *args: object) -> tuple[int, Any]:
        text, found = hub(*args), hub(*args, "--json")
        assert found.code in (0, 1), found
        assert text.code == found.code, text
        return found.code, validated(found.out, name)

    return ran


@dataclass(frozen=True)
class Pass:
    """What an independent forward pass computes: each layer's output and the logits, (tokens, width)."""

    embedding: Exact
    layers: list[Exact]
    logits: Exact


class Llama:
    """The llama architecture of a GGUF file in NumPy, straight from its published description.

    Pre-norm with RMSNorm, rotary positions on neighbouring pairs (as GGUF has them), grouped-query attention, SwiGLU.
    Keys and values are rounded to half precision, as llama.cpp's cache holds them.
    """

    def __init__(self, path: Path) -> None:
        reader = gguf.GGUFReader(path)
        self.weights = {t.name.removesuffix(".weight"): np.array(t.data, np.float64) for t in reader.tensors}
        fact = {k.removeprefix("llama."): f.contents() for k, f in reader.fields.items() if k.startswith("llama.")}
        self.layers, self.heads = fact["block_count"], fact["attention.head_count"]
        self.kv_heads, self.eps = fact["attention.head_count_kv"], fact["attention.layer_norm_rms_epsilon"]
        self.base = fact["rope.freq_base"]

    def __call__(self, tokens: Sequence[int]) -> Pass:
        w = self.weights
        x = embedding = w["token_embd"][list(tokens)]
        layers = []
        for i in range(self.layers):
            x = x + self._attention(i, self._norm(x, w[f"blk.{i}.attn_norm"]))
            h = self._norm(x, w[f"blk.{i}.ffn_norm"])
            gate = h @ w[f"blk.{i}.ffn_gate"].T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ w[f"blk.{i}.ffn_up"].T)) @ w[f"blk.{i}.ffn_down"].T
            layers.append(x)
        return Pass(embedding, layers, self._norm(x, w["output_norm"]) @ w["output"].T)

    def _norm(self, x: Any, weight: Any) -> Any:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * weight

    def _rotate(self, x: Any) -> Any:
        """(tokens, heads, head size), pairs (2i, 2i + 1) turned by position / base^(2i / size)."""
        tokens, _, size = x.shape
        angle = np.arange(tokens)[:, None] * self.base ** (-np.arange(0, size, 2) / size)
        turned = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)[:, None]
        return np.stack([turned.real, turned.imag], -1).reshape(x.shape)

    def _attention(self, i: int, h: Any) -> Any:
        w, n = self.weights, len(h)
        q = self._rotate((h @ w[f"blk.{i}.attn_q"].T).reshape(n, self.heads, -1))
        k = self._rotate((h @ w[f"blk.{i}.attn_k"].T).reshape(n, self.kv_heads, -1)).astype(np.float16)
        v = (h @ w[f"blk.{i}.attn_v"].T).reshape(n, self.kv_heads, -1).astype(np.float16)
        k, v = (np.repeat(x.astype(np.float64), self.heads // self.kv_heads, 1) for x in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1])
        scores = np.where(np.tri(n, dtype=bool), scores, -np.inf)
        share = np.exp(scores - scores.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        return np.einsum("hqk,khd->qhd", share, v).reshape(n, -1) @ w[f"blk.{i}.attn_output"].T


@pytest.fixture(scope="session")
def numpy_llama() -> type[Llama]:
    """`numpy_llama(path)(tokens)`: the forward pass of a GGUF llama in NumPy."""
    return Llama
