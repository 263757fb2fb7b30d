"""What the oracle needs: torch, transformers, sentencepiece, and llama.cpp's sources in HUB_LLAMA_CPP."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sources() -> Path:
    """The folder of llama.cpp's sources; skips, saying so, when something is missing."""
    for module in ("torch", "transformers", "sentencepiece"):
        pytest.importorskip(module, reason=f"{module} is not installed: the group `oracle` brings it")
    from tests.oracle import script

    found = script.checkout()
    if found is None:
        pytest.skip(
            "HUB_LLAMA_CPP does not name a folder of llama.cpp's sources (vendor/llama.cpp of llama-cpp-python)"
        )
    return found


@pytest.fixture(scope="session")
def matrix(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder of all cases, made once, and what the script could not write, by case."""
    import torch
    from transformers.utils import logging

    from tests.oracle.cases import CASES
    from tests.oracle.workspace import prepare

    torch.set_num_threads(1)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    root = tmp_path_factory.mktemp("matrix")
    return root, prepare(CASES, root, sources)
