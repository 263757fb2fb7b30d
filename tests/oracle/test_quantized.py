"""Quantized files, for the architectures that transformers loads rightly by itself: the same logits to the bit."""

from pathlib import Path
from typing import Any

import pytest

from hub.interface import Options
from hub.pipeline import Request, convert
from tests.oracle import compare, factory, script
from tests.oracle.cases import CASES, Case

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("default")]

Matrix = tuple[Path, dict[str, str]]
NAMES = ("llama_tied", "llama_bf16", "mistral", "qwen2", "gpt2", "phi3")
chosen = pytest.mark.parametrize("case", [c for c in CASES if c.name in NAMES], ids=lambda case: case.name)


@pytest.fixture(scope="module")
def quantized(matrix: Matrix, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script's Q8_0 file of each of the cases."""
    out = tmp_path_factory.mktemp("quantized")
    jobs = [(matrix[0] / c.name / "hf", out / f"{c.name}.gguf", "q8_0", c.pre) for c in CASES if c.name in NAMES]
    assert not any(script.convert(jobs, sources))
    return out


@chosen
def test_blocks_become_the_values_that_transformers_reads(case: Case, quantized: Path) -> None:
    """Q and K rows are put back in order block by block; transformers does it on decoded values."""
    pytest.importorskip("accelerate", reason="accelerate is not installed: transformers loads no GGUF without it")
    convert(Request(quantized / f"{case.name}.gguf", quantized / case.name, to="safetensors"))
    ours = factory.logits(case, quantized / case.name)
    assert float((ours - _own_loader(case, quantized)).abs().max()) == 0.0


def _own_loader(case: Case, folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=f"{case.name}.gguf", attn_implementation="eager", dtype=torch.float32
    ).eval()
    with torch.no_grad():
        return model(factory.prompt(case, model.config.vocab_size)).logits


@chosen
def test_encoding_gives_the_scripts_bytes(case: Case, matrix: Matrix, quantized: Path, tmp_path: Path) -> None:
    target = tmp_path / "ours.gguf"
    convert(Request(matrix[0] / case.name / "hf", target, encode=["q8_0"], options=Options(pre=case.pre)))
    found = compare.beside(target, quantized / f"{case.name}.gguf")
    assert (found.tensors, found.keys) == ([], [])
