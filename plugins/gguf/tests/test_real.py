"""SmolLM2-135M-Instruct, when `HUB_SMOLLM2` names its GGUF file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader

from hub.interface import Options
from hub.pipeline import Request, convert
from hub_gguf import GgufFormat


@pytest.fixture(scope="module")
def smollm2() -> Path:
    path = os.environ.get("HUB_SMOLLM2")
    if not path:
        pytest.skip("HUB_SMOLLM2 does not name the GGUF file of SmolLM2-135M-Instruct")
    return Path(path)


def test_it_is_written_again_byte_for_byte(smollm2: Path, tmp_path: Path, pass_on: Any, write_model: Any) -> None:
    convert(Request(smollm2, tmp_path / "direct.gguf"))
    assert (tmp_path / "direct.gguf").read_bytes() == smollm2.read_bytes()
    write_model(pass_on(GgufFormat().read(smollm2)), tmp_path / "passed.gguf")
    assert (tmp_path / "passed.gguf").read_bytes() == smollm2.read_bytes()


def test_shards_hold_the_same_tensors(smollm2: Path, tmp_path: Path) -> None:
    convert(Request(smollm2, tmp_path / "smol.gguf", options=Options(shard_size=40_000_000)))
    parts = sorted(tmp_path.glob("smol-*-of-*.gguf"))
    assert len(parts) > 2
    assert all(part.stat().st_size <= 40_000_000 for part in parts)
    whole = {t.name: t.data.tobytes() for t in GGUFReader(smollm2).tensors}
    split = {t.name: t.data.tobytes() for part in parts for t in GGUFReader(part).tensors}
    assert split == whole
    convert(Request(parts[1], tmp_path / "joined.gguf"))
    assert (tmp_path / "joined.gguf").read_bytes() == smollm2.read_bytes()


@pytest.mark.llama
def test_llama_cpp_runs_the_shards_as_it_runs_the_source(smollm2: Path, tmp_path: Path) -> None:
    llama = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    convert(Request(smollm2, tmp_path / "smol.gguf", options=Options(shard_size=20_000_000)))
    said = []
    for path in (smollm2, next(tmp_path.glob("smol-00001-of-*.gguf"))):
        model = llama.Llama(str(path), n_ctx=64, verbose=False, logits_all=True)
        model.eval(model.tokenize(b"The capital of France is"))
        said.append(model.scores[: model.n_tokens].tobytes())
    assert said[0] == said[1]
