"""The reference container library, built from crates.io, and a model that holds everything a writer can meet."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from hub.interface import Options, Plan
from hub.ir import ENCODINGS, Config, Lazy, Model, Tensor, Tokenizer
from hub.pipeline import Copier, Silent, Target, default_budget
from hub_apr import APR

CRATE = Path(__file__).parent / "reference"

Reference: TypeAlias = Callable[[str, Path], dict[str, Any]]
Written: TypeAlias = Callable[[Options], tuple[Path, Plan]]


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest) -> Reference:
    """The reference program as a function of mode and path; skips, saying so, without cargo or the registry."""
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("cargo is not installed: nothing here was compared with the reference library")
    cache: Any = request.config.cache
    folder = Path(cache.mkdir("apr-reference"))
    shutil.copytree(CRATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("target", "Cargo.lock"))
    fetched = subprocess.run([cargo, "fetch", "-q"], cwd=folder, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"the crate apr-format cannot be fetched: {fetched.stderr.strip()[-300:]}")
    built = subprocess.run([cargo, "build", "-q", "--release"], cwd=folder, capture_output=True, text=True, check=False)
    if "requires rustc" in built.stderr or "is not supported by the following package" in built.stderr:
        pytest.skip(f"this Rust is too old for the crate apr-format: {built.stderr.strip()[-300:]}")
    assert built.returncode == 0, built.stderr
    program = folder / "target" / "release" / "apr-reference"

    def run(mode: str, path: Path) -> dict[str, Any]:
        done = subprocess.run([program, mode, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"the reference refuses {path.name}: {done.stderr}"
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    return run


def _tensor(name: str, shape: tuple[int, ...], encoding: str) -> Tensor:
    kind = ENCODINGS[encoding]
    ramp = np.arange(kind.size(shape), dtype=np.int64) * 7 % 61
    return Tensor.from_bytes(name, shape, kind, ramp.astype(np.uint8))


@pytest.fixture
def model() -> Model:
    """A tied model of one layer in every encoding there is, with companion files and a tokenizer."""
    layer = "model.layers.0."
    tensors = [
        _tensor("model.embed_tokens.weight", (64, 256), "F16"),
        _tensor("model.norm.weight", (256,), "F16"),
        _tensor(f"{layer}self_attn.q_proj.bias", (256,), "BF16"),
        _tensor("nothing", (0, 4), "F32"),
        _tensor("scalar", (), "F32"),
        *(_tensor(f"{layer}{name}.weight", (8, 256), name) for name in ENCODINGS),
    ]
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 256, "num_hidden_layers": 1,
              "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 512, "rms_norm_eps": 1e-05,
              "rope_theta": 10000.0, "vocab_size": 64, "max_position_embeddings": 128}  # fmt: skip
    words = [f"w{i}" for i in range(63)] + ["\u0120\u4e16"]
    tokenizer = Tokenizer(
        "bpe", words, merges=["w 0"], pre="llama-bpe", special={"bos": 0, "eos": 1}, chat_template="{}"
    )
    return Model(
        {t.name: t for t in tensors},
        Config(config),
        Lazy.of(tokenizer),
        {"name": "everything", "license": "mit"},
        ties={"lm_head.weight": "model.embed_tokens.weight"},
        files={"README.md": b"# everything\n" * 1000, "config.json": json.dumps(config).encode()},
        source=Lazy.of({"gguf": {"general.architecture": "llama"}}),
    )


@pytest.fixture
def written(model: Model, tmp_path: Path) -> Written:
    """Writes `model` with the options given; the file (the first shard, or the manifest's folder) and its plan."""

    def write(options: Options) -> tuple[Path, Plan]:
        plan = APR().plan(model, options)
        path = tmp_path / "model.apr"
        with Target(path, Copier(default_budget(), Silent()), folder=False, overwrite=True) as target:
            APR().write(plan, target, options)
            made = target.commit()
        return made[0], plan

    return write
