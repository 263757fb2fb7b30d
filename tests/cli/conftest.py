"""The program run in-process, and one small model in every format.

The model begins as a Hugging Face folder written by the `safetensors` library; the program itself converts it.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import save_file

import hub
from hub.cli import main

SCHEMAS = Path(hub.__file__).parent / "schemas"
HIDDEN, FFN, LAYERS, HEADS, KV = 64, 96, 2, 4, 2
MERGES = ("h e", "l l", "he ll", "hell o", "Ġ w")
SPECIAL = ("<unk>", "<s>", "</s>")

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FFN,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV, "vocab_size": 264,
    "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
    "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32",
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


Hub = Callable[..., Ran]
Document = Callable[..., tuple[int, Any]]


def run(*args: object) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(a) for a in args])
    return Ran(code, out.getvalue(), err.getvalue())


def checked(*args: object) -> tuple[int, Any]:
    text, ran = run(*args), run(*args, "--json")
    assert text.code == ran.code, (text, ran)
    document = json.loads(ran.out)
    assert next(iter(document)) == "schema"
    assert document["schema"] == f"hub.{args[0]}/1"
    schema = json.loads((SCHEMAS / f"{args[0]}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    return ran.code, document


@pytest.fixture(scope="session", name="hub")
def program() -> Hub:
    """The program: `hub("inspect", path)` runs it and returns its exit code, stdout and stderr."""
    return run


@pytest.fixture(scope="session", name="document")
def program_document() -> Document:
    """Exit code and JSON document of a command: one document, as its schema says, and the exit code text mode has."""
    return checked


def alphabet() -> dict[int, str]:
    """GPT-2's printable character for each byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [b for b in range(256) if b not in kept]
    return {b: chr(b) for b in kept} | {b: chr(256 + i) for i, b in enumerate(moved)}


def tokenizer() -> dict[str, Any]:
    tokens = [*SPECIAL, *(alphabet()[b] for b in range(256)), *(m.replace(" ", "") for m in MERGES)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
        "added_tokens": [{"id": i, "content": t, **flags, "special": True} for i, t in enumerate(SPECIAL)],
        "pre_tokenizer": byte_level, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {t: i for i, t in enumerate(tokens)}, "merges": list(MERGES),
        },
    }  # fmt: skip


def tensors() -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    kv = KV * HIDDEN // HEADS
    layer = {
        "input_layernorm": (HIDDEN,), "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (kv, HIDDEN),
        "self_attn.v_proj": (kv, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN), "post_attention_layernorm": (HIDDEN,),
        "mlp.gate_proj": (FFN, HIDDEN), "mlp.up_proj": (FFN, HIDDEN), "mlp.down_proj": (HIDDEN, FFN),
    }  # fmt: skip
    shapes = {f"model.layers.{i}.{name}.weight": shape for i in range(LAYERS) for name, shape in layer.items()}
    shapes |= {"model.embed_tokens.weight": (264, HIDDEN), "model.norm.weight": (HIDDEN,)}
    shapes |= {"lm_head.weight": (264, HIDDEN)}
    random = np.random.default_rng(11)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write_folder(path: Path) -> Path:
    path.mkdir()
    save_file(tensors(), path / "model.safetensors", metadata={"format": "pt"})
    special = dict(zip(("unk_token", "bos_token", "eos_token"), SPECIAL, strict=True))
    texts = {
        "config.json": CONFIG, "tokenizer.json": tokenizer(),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "{{ messages }}", **special,
        },
    }  # fmt: skip
    for name, value in texts.items():
        (path / name).write_text(json.dumps(value), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as a Hugging Face folder."""
    return write_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def models(folder: Path) -> dict[str, Path]:
    """The model in every format, by format name."""
    made = {"safetensors": folder}
    for name in ("gguf", "apr"):
        target = folder.parent / f"tiny.{name}"
        pre = ("--pre", "gpt-2") if name == "gguf" else ()
        ran = run("convert", folder, target, *pre)
        assert ran.code == 0, ran
        made[name] = target
    return made


@pytest.fixture(params=["safetensors", "gguf", "apr"])
def model(request: pytest.FixtureRequest, models: dict[str, Path]) -> Path:
    """The model, once in each format."""
    return models[request.param]
