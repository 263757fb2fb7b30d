"""The script's files with one key taken out: an error names it, a note names it, or the numbers stay what they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.errors import DamagedFile, MissingFact, UnmappedTensor
from hub.pipeline import Request, convert
from tests.oracle import compare, factory
from tests.oracle.case import Case
from tests.oracle.cases import CASES

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("default")]

Matrix = tuple[Path, dict[str, str]]
# One of each architecture; the variants that have keys of their own.
NAMES = (
    "llama", "llama_head_dim", "llama_rope_linear", "llama_rope_yarn", "mixtral", "qwen2", "qwen2moe",
    "qwen3_head_dim_32", "qwen3moe", "gemma", "gemma2", "gemma3", "gemma3_rope_x8", "phi2", "phi3_window",
    "phi3_longrope_long", "gpt2", "gptneox", "falcon_40b", "starcoder2", "stablelm", "olmo2", "granite", "bert",
)  # fmt: skip
# Keys without which llama.cpp works as with them, or as these models were made.
IMPLIED = {"rope.scaling.factor", "rope.scaling.type", "attention.causal", "use_parallel_residual"}


def _without_each_key(source: Path, arch: str, target: Path) -> Iterator[str]:
    """Write `source` to `target` once for each key `{arch}.*`, that key under a name that nobody knows; its name."""
    data = source.read_bytes()
    for key in compare.read_gguf(source).keys:
        if key.startswith(f"{arch}."):
            text = len(key).to_bytes(8, "little") + key.encode()
            assert data.count(text) == 1
            target.write_bytes(data.replace(text, text[:8] + b"zz" + text[10:]))
            yield key.removeprefix(f"{arch}.")


@pytest.mark.parametrize("case", [c for c in CASES if c.name in NAMES], ids=lambda case: case.name)
def test_a_key_that_is_gone_is_no_guess(case: Case, matrix: Matrix, tmp_path: Path) -> None:
    source = matrix[0] / case.name / "script.gguf"
    arch = compare.read_gguf(source).keys["general.architecture"][1]
    before = factory.logits(case, matrix[0] / case.name / "hf")
    silent = []
    for key in _without_each_key(source, arch, tmp_path / "without.gguf"):
        target = tmp_path / key.replace(".", "_")
        try:
            report = convert(Request(tmp_path / "without.gguf", target, to="safetensors"))
        except (MissingFact, DamagedFile, UnmappedTensor):
            continue
        named = any(key in note or key.rpartition(".")[2] in note for note in report.notes)
        if not named and key not in IMPLIED and float((factory.logits(case, target) - before).abs().max()) > 0:
            silent.append(key)
    assert silent == []
