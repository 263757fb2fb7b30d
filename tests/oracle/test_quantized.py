"""Quantized files, for the architectures that transformers loads rightly by itself: the same logits to the bit."""

import ctypes
from pathlib import Path
from typing import Any

import pytest

from hub.interface import Options
from hub.pipeline import Request, convert
from tests.oracle import compare, factory, script
from tests.oracle.case import Case
from tests.oracle.cases import CASES, WIDE

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("default")]

Matrix = tuple[Path, dict[str, str]]
NAMES = ("llama_tied", "llama_bf16", "mistral", "qwen2", "gpt2", "phi3")
WRITTEN = [c for c in CASES if not c.unwritten]


@pytest.fixture(scope="module")
def quantized(matrix: Matrix, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script's Q8_0 file of each of the cases."""
    out = tmp_path_factory.mktemp("quantized")
    jobs = [(matrix[0] / c.name / "hf", out / f"{c.name}.gguf", "q8_0", c.told) for c in WRITTEN]
    assert not any(script.convert(jobs, sources))
    return out


@pytest.mark.parametrize("case", [c for c in CASES if c.name in NAMES], ids=lambda case: case.name)
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


@pytest.mark.parametrize("case", WRITTEN, ids=lambda case: case.name)
def test_encoding_gives_the_scripts_bytes(case: Case, matrix: Matrix, quantized: Path, tmp_path: Path) -> None:
    target = tmp_path / "ours.gguf"
    convert(Request(matrix[0] / case.name / "hf", target, encode=["q8_0"], options=Options(pre=case.pre)))
    but = () if case.pre == case.told else ("tokenizer.ggml.pre",)
    found = compare.beside(target, quantized / f"{case.name}.gguf", but)
    assert (found.tensors, found.keys) == ([], [])


MIXTURES = ("Q4_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_XS", "IQ3_M", "TQ2_0", "MXFP4_MOE")


@pytest.fixture(scope="module")
def wide(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a llama whose rows are long enough for blocks of 256, and the script's F32 file of it."""
    folder = tmp_path_factory.mktemp("wide")
    factory.build(WIDE, folder / "hf")
    assert script.convert([(folder / "hf", folder / "f32.gguf", "f32", WIDE.pre)], sources) == [None]
    return folder


@pytest.mark.llama
@pytest.mark.parametrize("mixture", MIXTURES)
def test_mixtures_of_llama_cpp_keep_their_values_on_every_way(mixture: str, wide: Path, tmp_path: Path) -> None:
    """To a folder, to APR with no block touched, from APR to the same folder, and from APR back to the same file."""
    pytest.importorskip("accelerate", reason="accelerate is not installed: transformers loads no GGUF without it")
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    source, packed = tmp_path / f"{WIDE.name}.gguf", tmp_path / "model.apr"
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{mixture}")
    files = str(wide / "f32.gguf").encode(), str(source).encode()
    assert llama_cpp.llama_model_quantize(*files, ctypes.byref(parameters)) == 0
    convert(Request(source, tmp_path / "folder", to="safetensors"))
    ours = factory.logits(WIDE, tmp_path / "folder")
    assert float((ours - _own_loader(WIDE, tmp_path)).abs().max()) == 0.0
    assert not {"re-encoded", "exact"} & set(convert(Request(source, packed)).counts)
    convert(Request(packed, tmp_path / "through", to="safetensors"))
    assert compare.folder_tensors(tmp_path / "through") == compare.folder_tensors(tmp_path / "folder")
    convert(Request(packed, tmp_path / "back.gguf"))
    assert (tmp_path / "back.gguf").read_bytes() == source.read_bytes()


FTYPES = {"Q3_K": "Q3_K_S", "Q4_K": "Q4_K_S", "Q5_K": "Q5_K_S"}


@pytest.mark.llama
@pytest.mark.parametrize("name", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"])
def test_encoding_gives_the_bytes_of_llama_cpps_quantizer(name: str, wide: Path, tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.pure = True
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{FTYPES.get(name, name)}")
    files = str(wide / "f32.gguf").encode(), str(tmp_path / "theirs.gguf").encode()
    assert llama_cpp.llama_model_quantize(*files, ctypes.byref(parameters)) == 0
    convert(Request(wide / "f32.gguf", tmp_path / "ours.gguf", encode=[f"{name.lower()}:*"]))
    ours, theirs = (compare.read_gguf(tmp_path / f"{who}.gguf").tensors for who in ("ours", "theirs"))
    assert {dtype for dtype, _, _ in theirs.values()} == {"F32", name}
    assert ours.keys() == theirs.keys()  # the quantizer has an order of its own
    assert list(compare.tensor_differences({tensor: ours[tensor] for tensor in theirs}, theirs)) == []
