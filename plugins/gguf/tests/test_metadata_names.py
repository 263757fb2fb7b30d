"""Names of models, against gguf's own `Metadata.get_model_id_components` and `size_label`."""

import gguf
import pytest
from gguf.metadata import Metadata
from hypothesis import given
from hypothesis import strategies as st

from hub_gguf._metadata import size_label
from hub_gguf._metadata_names import name_parts, title

NAMES = [
    "Hf", "smollm2", "HuggingFaceTB/SmolLM2-135M-Instruct", "meta-llama/Llama-3.2-1B-Instruct", "bigscience/bloom-7b1",
    "microsoft/Phi-3-mini-128k-instruct", "mistralai/Mixtral-8x7B-Instruct-v0.1", "Qwen/Qwen1.5-MoE-A2.7B",
    "google/gemma-2-27b-it", "a sentence with spaces", "./here", "org/name/deeper", "", "model-F16", "x--y", "-", "/x",
    "tiny-small-135M", "EleutherAI/pythia-70m", "Llama-2-7b-chat-hf", "v1", "v1-7B", "opt-1_3b", "gpt2-xl",
    "iter3-q4_k_m",
]  # fmt: skip
PIECES = st.sampled_from(
    ["llama", "7B", "7b1", "128k", "v2", "2.5", "chat", "Instruct", "small", "8x7B", "A3B", "q4_0", "f16", "", "xl"]
)


def _theirs(name: str, parameters: int) -> tuple[str | None, ...]:
    full, maker, base, tuning, version, size = Metadata.get_model_id_components(name, parameters)
    return full, maker, base, tuning, version, size


def _ours(name: str, parameters: int) -> tuple[str | None, ...]:
    p = name_parts(name, parameters)
    return p.name, p.organization, p.basename, p.finetune, p.version, p.size_label


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parameters", [134_515_008, 7_000_000_000, 46_700_000_000])
def test_parts_are_those_of_gguf(name: str, parameters: int) -> None:
    assert _ours(name, parameters) == _theirs(name, parameters)


@given(st.lists(PIECES, min_size=1, max_size=6), st.integers(1, 10**12))
def test_any_mixture_of_parts(pieces: list[str], parameters: int) -> None:
    name = "maker/" + "-".join(pieces)
    assert _ours(name, parameters) == _theirs(name, parameters)


@pytest.mark.parametrize("name", NAMES)
def test_titles_are_those_of_gguf(name: str) -> None:
    assert title(name) == Metadata.id_to_title(name)  # type: ignore[no-untyped-call]


@given(st.integers(1, 10**13))
def test_sizes_are_those_of_gguf(parameters: int) -> None:
    assert size_label([("a.weight", (parameters,))]) == gguf.size_label(parameters, parameters, 0, 0)


@given(st.integers(1, 64), st.integers(1, 10**5), st.integers(1, 10**9))
def test_sizes_of_experts(experts: int, rows: int, shared: int) -> None:
    tensors = [("blk.0.ffn_up_exps.weight", (experts, rows, 64)), ("token_embd.weight", (shared,))]
    expected = gguf.size_label(0, shared, rows * 64, experts)
    assert size_label(tensors) == expected
