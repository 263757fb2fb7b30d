"""What tests of several plugins share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with something else fails no test.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def llama_vocabs() -> dict[str, Path]:
    """llama.cpp's vocabulary-only GGUF files by name ("llama-bpe"), with .inp and .out beside them where there are any.

    `HUB_LLAMA_VOCABS` names a folder that holds them at any depth: llama.cpp's or llama-cpp-python's unpacked source.
    """
    folder = os.environ.get("HUB_LLAMA_VOCABS")
    if not folder:
        pytest.skip("HUB_LLAMA_VOCABS names no folder with llama.cpp's ggml-vocab-*.gguf files")
    found = {p.name[len("ggml-vocab-") : -len(".gguf")]: p for p in sorted(Path(folder).rglob("ggml-vocab-*.gguf"))}
    return found or pytest.fail(f"no ggml-vocab-*.gguf below {folder}")


def _model(variable: str) -> Path:
    path = os.environ.get(variable)
    if not path or not Path(path).exists():
        pytest.skip(f"{variable} does not name the model")
    return Path(path)


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct as a GGUF file, which `HUB_SMOLLM2` names."""
    return _model("HUB_SMOLLM2")


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The Hugging Face folder of all-MiniLM-L6-v2, which `HUB_MINILM` names."""
    return _model("HUB_MINILM")
