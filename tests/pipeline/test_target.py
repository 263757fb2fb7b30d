"""`--target` and `--optimize-size`: what they choose, and when they are an error."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.codecs import recode
from hub.errors import UsageError
from hub.interface import Options
from hub.ir import ENCODINGS, Lazy, Model, Tensor
from hub.pipeline import Report, Request, TensorLine, convert

WASM = Options(target="wasm")
GATE = "model.layers.0.mlp.gate_proj.weight"


def smaller(model: Model, target: Path, **more: Any) -> Report:
    return convert(Request(model, target, options=WASM, optimize_size=True, **more))


def line(report: Report, name: str) -> TensorLine:
    return next(line for line in report.tensors if line.name == name)


@pytest.fixture
def model(make: Callable[..., Model]) -> Model:
    """A llama of rows of 32, which q4_k_m makes Q5_0 and Q8_0."""
    return replace(make(), tokenizer=Lazy.of(None))


def held(model: Model, encoding: str) -> Model:
    """`model` with the matrix `GATE` stored in another encoding."""
    tensor = model.tensors[GATE]
    data = recode(tensor, ENCODINGS[encoding]).read()
    stored = Tensor.from_bytes(GATE, tensor.shape, ENCODINGS[encoding], data)
    return replace(model, tensors={**model.tensors, GATE: stored})


def test_wide_matrices_are_encoded_and_the_report_says_at_what_cost(model: Model, tmp_path: Path) -> None:
    report = smaller(model, tmp_path / "model.apr")
    gate, norm = line(report, GATE), line(report, "model.norm.weight")
    assert (gate.source_encoding, gate.outcome, norm.outcome) == ("F32", "re-encoded", "same bytes")
    assert gate.rmse
    assert gate.cosine is not None
    assert 0.9 < gate.cosine < 1
    assert gate.reason.startswith("--optimize-size: rows of 32 are not whole blocks")


def test_eight_bits_are_wide_and_five_are_not(model: Model, tmp_path: Path) -> None:
    eight = line(smaller(held(model, "Q8_0"), tmp_path / "8.apr"), GATE)
    assert (eight.source_encoding, eight.outcome) == ("Q8_0", "re-encoded")
    five = line(smaller(held(model, "Q5_0"), tmp_path / "5.apr"), GATE)
    assert (five.source_encoding, five.outcome) == ("Q5_0", "same bytes")


def test_nothing_becomes_larger(model: Model, tmp_path: Path) -> None:
    report = smaller(model, tmp_path / "model.apr")
    again = convert(Request(tmp_path / "model.apr", tmp_path / "model.gguf"))
    sizes = {t.name: ENCODINGS[t.target_encoding].size(t.shape) for t in again.tensors}
    assert all(sizes[t.name] <= ENCODINGS[t.source_encoding].size(t.shape) for t in report.tensors)


def test_a_model_that_is_small_already_is_told_so(model: Model, tmp_path: Path) -> None:
    smaller(model, tmp_path / "small.apr")
    with pytest.raises(UsageError, match="--optimize-size has no effect: no matrix takes 8 bits a value or more"):
        convert(Request(tmp_path / "small.apr", tmp_path / "again.apr", options=WASM, optimize_size=True))


def test_what_contradicts_is_an_error(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no effect without --target"):
        convert(Request(model, tmp_path / "a.apr", optimize_size=True))
    with pytest.raises(UsageError, match="both say the encodings"):
        smaller(model, tmp_path / "a.apr", encode=["f16"])
    with pytest.raises(UsageError, match="--target: 'cuda' is no place that is known; there is wasm"):
        convert(Request(model, tmp_path / "a.apr", options=Options(target="cuda")))
    assert not list(tmp_path.iterdir())
