"""Fixtures for tests of the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.ir import ENCODINGS, F32, Config, Lazy, Model, Tensor, Tokenizer

Weights: TypeAlias = NDArray[np.float32]

# A third party's format, complete: raw tensors behind two lengths, an index and the other facts. Its writer can be told
# to stop half way, or to commit one fault.
TOY = """
import json, os, time
from pathlib import Path
from hub.hookspecs import hookimpl
from hub.interface import BaseFormat, Capabilities, Magic
from hub.codecs import shift
from hub.ir import ENCODINGS, File, Tensor, concatenated, packed_facts, unpacked_facts

def faulty(tensors, facts):
    fault = os.environ.get("TOY_FAULT")
    first, second = list(tensors)[:2]
    if fault == "swap":
        tensors[first], tensors[second] = tensors[second].named(first), tensors[first].named(second)
    if fault == "scale":
        t = tensors[first]
        tensors[first] = concatenated(first, [shift(t.slice(0, 1), 0.5), t.slice(1, t.shape[0])])
    if fault == "drop":
        del tensors[second]
    if fault == "merge":
        facts = facts.replace(b'"h e", "l l"', b'"h e", "l o"')
    return tensors, facts

class Toy(BaseFormat):
    name, title, extensions, magic = "toy", "Toy", (".toy",), (Magic(b"TOY1"),)
    capabilities = Capabilities(frozenset({"F32", "F16"}))

    def read(self, path):
        file = File(path)
        index, facts = (int.from_bytes(file.read(at, 4), "little") for at in (4, 8))
        tensors, at = {}, 12 + index + facts
        for name, encoding, shape in json.loads(file.read(12, index)):
            tensors[name] = Tensor.from_file(name, shape, ENCODINGS[encoding], file, at)
            at += tensors[name].nbytes
        return unpacked_facts(file.read(12 + index, facts), tensors, file=path)

    def write(self, plan, sink, options):
        tensors, facts = faulty({p.tensor.name: p.tensor for p in plan.tensors}, packed_facts(plan.document))
        index = json.dumps([(t.name, t.encoding.name, t.shape) for t in tensors.values()]).encode()
        path, at, placements = sink.create(), 12 + len(index) + len(facts), []
        sizes = b"".join(len(part).to_bytes(4, "little") for part in (index, facts))
        path.write_bytes(b"TOY1" + sizes + index + facts)
        for tensor in tensors.values():
            placements.append((at, tensor))
            at += tensor.nbytes
        if os.environ.get("TOY_STOP"):
            Path(os.environ["TOY_STOP"]).touch()
            time.sleep(60)
        sink.copy(path, placements)
        if os.environ.get("TOY_FAULT") == "flip":
            with path.open("r+b") as file:
                file.seek(-1, 2)
                last = file.read(1)
                file.seek(-1, 2)
                file.write(bytes([last[0] ^ 1]))

@hookimpl
def hub_formats():
    return [Toy()]
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module `toy_format` on the path of child processes, as a plugin; its folder."""
    folder = tmp_path / "toy-plugin"
    folder.mkdir()
    (folder / "toy_format.py").write_text(TOY)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("HUB_PLUGINS", "toy_format")
    return folder


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Makes a module of a name and a text that the program loads as a plugin, beside those made before."""
    folder = tmp_path / "strange-plugins"

    def make(name: str, text: str) -> Path:
        if not folder.exists():
            folder.mkdir()
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))
        (folder / f"{name}.py").write_text(text)
        monkeypatch.setenv("HUB_PLUGINS", ",".join(filter(None, [os.environ.get("HUB_PLUGINS"), name])))
        return folder / f"{name}.py"

    return make


Hub = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """Runs the program in `tmp_path` as a user would."""

    def run(*args: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hub", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, **options)  # type: ignore[call-overload,no-any-return]

    return run


def write_tiny_gguf(
    path: Path, *, merge: str = "l l", damage: Callable[[dict[str, Weights]], None] | None = None
) -> Path:
    """A llama of one layer with random weights and a vocabulary of ten; `damage` may change the weights."""
    import gguf

    rng = np.random.default_rng(5)
    shapes = {"token_embd": (10, 32), "output_norm": (32,), "output": (10, 32), "blk.0.attn_norm": (32,)}
    shapes |= {f"blk.0.attn_{n}": (32, 32) for n in ("q", "output")} | {f"blk.0.attn_{n}": (16, 32) for n in ("k", "v")}
    shapes |= {
        "blk.0.ffn_norm": (32,),
        "blk.0.ffn_gate": (64, 32),
        "blk.0.ffn_up": (64, 32),
        "blk.0.ffn_down": (32, 64),
    }
    weights: dict[str, Weights] = {f"{n}.weight": rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}
    if damage is not None:
        damage(weights)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(10)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["h", "e", "l", "o", "ll", "he", "lo", "hell", "<s>", "</s>"])
    writer.add_token_types([1] * 8 + [3] * 2)
    writer.add_token_merges(["h e", merge, "he ll"])
    writer.add_bos_token_id(8)
    writer.add_eos_token_id(9)
    for name, values in weights.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def tiny_gguf(tmp_path: Path) -> Path:
    """`write_tiny_gguf` in `tmp_path`, undamaged."""
    return write_tiny_gguf(tmp_path / "tiny.gguf")


@pytest.fixture(scope="session")
def make_gguf() -> Callable[..., Path]:
    """`write_tiny_gguf` itself, for tests that want a damaged one."""
    return write_tiny_gguf


# A tiny healthy llama model in canonical form, and the means to harm it.
HIDDEN, FFN, LAYERS, HEADS, KV, VOCAB = 32, 48, 2, 4, 2, 12

CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "intermediate_size": FFN,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV, "vocab_size": VOCAB,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
}  # fmt: skip

TOKENS = ("<unk>", "<s>", "</s>", "a", "b", "c", "ab", "abc", "d", "e", "f", "<pad>")

Make = Callable[..., Model]


def _shapes() -> dict[str, tuple[int, ...]]:
    kv = KV * HIDDEN // HEADS
    layer = {
        "input_layernorm": (HIDDEN,), "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (kv, HIDDEN),
        "self_attn.v_proj": (kv, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN), "post_attention_layernorm": (HIDDEN,),
        "mlp.gate_proj": (FFN, HIDDEN), "mlp.up_proj": (FFN, HIDDEN), "mlp.down_proj": (HIDDEN, FFN),
    }  # fmt: skip
    inner = {f"model.layers.{i}.{name}.weight": shape for i in range(LAYERS) for name, shape in layer.items()}
    ends = {"model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN)}
    return {"model.embed_tokens.weight": (VOCAB, HIDDEN), **inner, **ends}


def _f32(name: str, values: NDArray[Any]) -> Tensor:
    return Tensor.from_bytes(name, values.shape, F32, np.ascontiguousarray(values, np.float32).tobytes())


@pytest.fixture
def tensor() -> Callable[[str, NDArray[Any]], Tensor]:
    return _f32


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer("bpe", TOKENS, merges=("a b", "ab c"), special={"bos": 1, "eos": 2, "pad": 11})


@pytest.fixture
def make(tokenizer: Tokenizer) -> Make:
    """A model; `values` replaces tensors (None takes one away), other arguments replace the model's parts."""

    def build(
        values: Mapping[str, NDArray[Any] | None] | None = None,
        config: Mapping[str, Any] | None = None,
        tokens: Tokenizer | None = tokenizer,
        **parts: Any,
    ) -> Model:
        random = np.random.default_rng(7)
        arrays: dict[str, NDArray[Any] | None] = {n: random.normal(size=s) for n, s in _shapes().items()}
        arrays |= {n: np.ones(s) for n, s in _shapes().items() if "norm" in n} | dict(values or {})
        tensors = {n: _f32(n, a) for n, a in arrays.items() if a is not None}
        model = Model(tensors, Config(CONFIG | dict(config or {})), Lazy.of(tokens))
        return replace(model, **parts)

    return build


@pytest.fixture(params=["F32", "F16", "BF16", "Q8_0"])
def encoding(request: pytest.FixtureRequest) -> str:
    assert request.param in ENCODINGS
    return str(request.param)
