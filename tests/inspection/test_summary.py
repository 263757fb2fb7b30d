from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub import codecs
from hub.inspection import Summary, quantization, shares, size_on_disk, stored_files, summarize
from hub.interface import Format
from hub.ir import ENCODINGS, File, Model, Tensor
from hub.plugins import registry

Make = Callable[..., Model]


@pytest.fixture
def found() -> Format:
    return next(iter(registry().formats.values()))


@pytest.fixture
def said(make: Make, found: Format, tmp_path: Path) -> Callable[..., Summary]:
    def summary(**changes: Any) -> Summary:
        return summarize(tmp_path, found, make(**changes))

    return summary


def encoded(name: str, encoding: str, shape: tuple[int, int] = (4, 256)) -> Tensor:
    values: NDArray[np.float32] = np.random.default_rng(5).normal(size=shape).astype(np.float32)
    kind = ENCODINGS[encoding]
    return Tensor.from_bytes(name, shape, kind, codecs.encode(kind, values))


def mixture(*encodings: str, **metadata: str) -> Model:
    return Model({f"{n}.weight": encoded(f"{n}.weight", e) for n, e in enumerate(encodings)}, metadata=metadata)


def test_quantization_is_the_encoding_of_all_weights() -> None:
    assert quantization(mixture("BF16", "BF16")) == "BF16"


def test_a_mixture_is_named_after_most_of_its_bytes() -> None:
    assert quantization(mixture("Q8_0", "Q4_0", "Q4_0", "Q4_0")) == "mostly Q4_0"


def test_the_sources_word_for_a_mixture_counts() -> None:
    assert quantization(mixture("Q8_0", "Q4_0", quantization="Q4_K_M")) == "Q4_K_M"


def test_the_sources_word_is_void_once_nothing_is_quantized() -> None:
    assert quantization(mixture("F32", quantization="Q4_K_M")) == "F32"


def test_norms_do_not_make_a_model_a_mixture(make: Make) -> None:
    tensors = {"w.weight": encoded("w.weight", "Q8_0"), "n.weight": make().tensors["model.norm.weight"]}
    assert quantization(Model(tensors)) == "Q8_0"


def test_shares_add_up() -> None:
    model = mixture("Q8_0", "Q4_0", "Q4_0")
    found = shares(model.tensors.values())
    assert [(s.encoding, s.tensors) for s in found] == [("Q4_0", 2), ("Q8_0", 1)]
    assert sum(s.bytes for s in found) == model.nbytes
    assert sum(s.values for s in found) == model.parameters


def test_a_summary_of_a_known_family(said: Callable[..., Summary]) -> None:
    s = said()
    assert (s.architecture, s.layers, s.hidden_size, s.kv_heads, s.head_dim, s.vocabulary) == ("llama", 2, 32, 2, 8, 12)
    assert s.tokenizer is not None
    assert (s.tokenizer.tokens, s.tokenizer.merges) == (12, 2)


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4.0}},
        {"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 4.0}},
    ],
)
def test_rope_is_the_same_in_both_spellings(said: Callable[..., Summary], rope: dict[str, Any]) -> None:
    s = said(config={"rope_theta": None, **rope})
    assert s.rope_theta == 5e5
    assert s.rope_scaling == {"rope_type": "linear", "factor": 4.0}


def test_a_value_of_the_wrong_type_is_a_note(said: Callable[..., Summary]) -> None:
    s = said(config={"num_hidden_layers": "many"})
    assert s.layers is None
    assert any("num_hidden_layers" in note for note in s.notes)


def test_nothing_known_is_nothing_said(found: Format, tmp_path: Path) -> None:
    (tmp_path / "thing.bin").write_bytes(b"x")
    s = summarize(tmp_path / "thing.bin", found, Model({}))
    assert (s.model, s.parameters, s.quantization, s.architecture, s.vocabulary) == ("thing", None, None, None, None)
    assert s.size_bytes == 1


def test_the_files_of_a_model_are_found_behind_every_kind_of_rows(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    for name in names:
        (tmp_path / name).write_bytes(bytes(64))
    a, b, c = (Tensor.from_file(n, (4, 4), ENCODINGS["F32"], File(tmp_path / n), 0) for n in names)
    model = Model({"moved": a.take(np.array([3, 1, 0, 2])), "turned": b.transposed(), "plain": c})
    assert stored_files(model) == {tmp_path / n for n in names}
    assert size_on_disk(tmp_path / "a", model) == 3 * 64
