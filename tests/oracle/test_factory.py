"""The tiny models: what a case is about shows in its numbers, so that losing it cannot go unseen."""

import json
import shutil
from pathlib import Path

import pytest

from tests.oracle import factory
from tests.oracle.case import Case
from tests.oracle.cases import CASES

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("default")]

Matrix = tuple[Path, dict[str, str]]

# The key of config.json that a case is about, and what it is without it.
ABOUT = {
    "llama_rope_linear": {"rope_scaling": None},
    "llama_rope_llama3_x8": {"rope_scaling": None},
    "llama_rope_llama3_x32": {"rope_scaling": None},
    "llama_rope_yarn": {"rope_scaling": None},
    "qwen2_yarn": {"rope_scaling": None},
    "gemma3_rope_x8": {"rope_scaling": None},
    "phi3_longrope": {"rope_scaling": None},
    "phi3_longrope_long": {"rope_scaling": None},
    "mistral_window": {"sliding_window": None},
    "phi3_window": {"sliding_window": None},
    "starcoder2_window": {"sliding_window": None},
    "gemma2": {"sliding_window": 4096},
    "gemma2_27b": {"query_pre_attn_scalar": 16},
    "gemma2_other_scalar": {"query_pre_attn_scalar": 32},
    "gemma3": {"rope_local_base_freq": 1000000.0},
    "qwen3moe_unnormalised": {"norm_topk_prob": True},
    "gptneox": {"rotary_pct": 0.5},
    "gptneox_sequential": {"use_parallel_residual": True},
    "stablelm": {"partial_rotary_factor": 0.5},
    "granite": {"attention_multiplier": 0.25},
    "llama": {"rms_norm_eps": 1e-3, "rope_theta": 10000.0},
}  # fmt: skip


@pytest.mark.parametrize("case", [c for c in CASES if c.name in ABOUT], ids=lambda case: case.name)
def test_what_a_case_is_about_shows(case: Case, matrix: Matrix, tmp_path: Path) -> None:
    shutil.copytree(matrix[0] / case.name / "hf", tmp_path / "without")
    path = tmp_path / "without" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | ABOUT[case.name]), "utf-8")
    there, without = (factory.logits(case, f) for f in (matrix[0] / case.name / "hf", tmp_path / "without"))
    assert float((there - without).abs().max()) > 1e-4


def test_norms_and_biases_are_not_what_they_start_as(matrix: Matrix) -> None:
    from safetensors import safe_open

    for case in CASES:
        for path in (matrix[0] / case.name / "hf").glob("*.safetensors"):
            with safe_open(path, "pt") as opened:
                vectors = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118 - no dict
            flat = [name for name, t in vectors.items() if t.ndim == 1 and float(t.std()) < 0.01]
            assert flat == [], case.name
