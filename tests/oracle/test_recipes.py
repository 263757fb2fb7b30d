"""Recipes: whole files equal those of llama.cpp's own quantizer, tensor for tensor, and say the same file type."""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.errors import UsageError
from hub.opening import open_model
from hub.pipeline import Request, convert
from hub.recipes import RECIPES, Part, gguf_parts, part
from tests.oracle import compare, factory, script
from tests.oracle.case import TIED, Case
from tests.oracle.cases import CASES, WIDE

pytestmark = [pytest.mark.oracle, pytest.mark.llama, pytest.mark.filterwarnings("default")]

Matrix = tuple[Path, dict[str, str]]
LONG = {"hidden_size": 256, "intermediate_size": 512}
BY_NAME = {case.name: case for case in CASES}


def _wide(name: str, base: str, params: dict[str, Any]) -> Case:
    case = BY_NAME[base]
    return replace(case, name=name, params={**case.params, **params})


MODELS = [
    WIDE,
    _wide("untied_deep", "llama", {**LONG, "num_hidden_layers": 17, "tie_word_embeddings": False}),
    _wide("shared_by_four", "llama", {**LONG, **TIED, "num_attention_heads": 8, "num_hidden_layers": 9}),
    _wide("odd_rows", "llama", {"hidden_size": 96, "intermediate_size": 272, "num_hidden_layers": 3}),
    _wide("eight_experts", "mixtral", {**LONG, "num_local_experts": 8, "num_hidden_layers": 3}),
    _wide("falcon_wide", "falcon_7b", {"hidden_size": 256, "num_hidden_layers": 9}),
    _wide("gpt2_wide", "gpt2", {"n_embd": 256}),
]
WEIGHTLESS = [name for name in RECIPES if not name.startswith(("iq1", "iq2", "iq3_x", "q2_k_s"))]


def quantizer(source: Path, target: Path, recipe: str, entries: dict[str, Any] | None = None) -> int:
    """llama.cpp's quantizer on one thread, weighed by `entries` where there are some; its return code."""
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = RECIPES[recipe].number, 1
    kept = _entries(entries)
    parameters.imatrix = ctypes.cast(kept, type(parameters.imatrix)) if kept is not None else None
    files = str(source).encode(), str(target).encode()
    return int(llama_cpp.llama_model_quantize(*files, ctypes.byref(parameters)))


class _Entry(ctypes.Structure):
    """`struct llama_model_imatrix_data` of llama.h."""

    _fields_ = (("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("size", ctypes.c_size_t))


def _entries(entries: dict[str, Any] | None) -> Any:
    if entries is None:
        return None
    made = (_Entry * (len(entries) + 1))()
    for slot, (name, values) in zip(made, entries.items(), strict=False):
        slot.name, slot.data, slot.size = name.encode(), values.ctypes.data, values.size
    return made


@pytest.fixture(scope="module")
def models(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script's F32 files of all models."""
    root = tmp_path_factory.mktemp("recipes")
    for case in MODELS:
        factory.build(case, root / case.name)
    jobs = [(root / c.name, root / f"{c.name}.gguf", "f32", c.told) for c in MODELS]
    assert not any(script.convert(jobs, sources))
    return root


def _same(ours: Path, theirs: Path) -> None:
    mine, their = compare.read_gguf(ours), compare.read_gguf(theirs)
    assert {n: t[0] for n, t in mine.tensors.items()} == {n: t[0] for n, t in their.tensors.items()}
    assert [n for n, t in their.tensors.items() if t[2].tobytes() != mine.tensors[n][2].tobytes()] == []
    assert mine.keys["general.file_type"] == their.keys["general.file_type"]


@pytest.mark.parametrize("recipe", WEIGHTLESS)
@pytest.mark.parametrize("case", MODELS, ids=lambda case: case.name)
def test_the_quantizers_bytes(case: Case, recipe: str, models: Path, tmp_path: Path) -> None:
    source = models / f"{case.name}.gguf"
    assert quantizer(source, tmp_path / "theirs.gguf", recipe) == 0
    convert(Request(source, tmp_path / "ours.gguf", encode=[recipe]))
    _same(tmp_path / "ours.gguf", tmp_path / "theirs.gguf")


@pytest.mark.parametrize("recipe", sorted(RECIPES.keys() - set(WEIGHTLESS)))
def test_what_the_quantizer_refuses_without_an_importance_matrix(recipe: str, models: Path, tmp_path: Path) -> None:
    source = models / f"{MODELS[0].name}.gguf"
    assert quantizer(source, tmp_path / "theirs.gguf", recipe) != 0
    with pytest.raises(UsageError, match=f"--encode {recipe} needs an importance matrix"):
        convert(Request(source, tmp_path / "ours.gguf", encode=[recipe]))


@pytest.mark.parametrize(
    "recipe", ["q4_k_m", "q4_0", "q2_k_s", "iq4_xs", "iq3_xs", "iq3_xxs", "iq2_xs", "iq2_m", "iq1_m"]
)
@pytest.mark.parametrize("case", MODELS[:5], ids=lambda case: case.name)
def test_the_quantizers_bytes_under_an_importance_matrix(case: Case, recipe: str, models: Path, tmp_path: Path) -> None:
    source, generator = models / f"{case.name}.gguf", np.random.default_rng(0)
    matrices = {n: t for n, t in compare.read_gguf(source).tensors.items() if len(t[1]) > 1 and "token_embd" not in n}
    entries = {
        name: generator.uniform(0.01, 2, shape[0] * (shape[2] if len(shape) > 2 else 1)).astype(np.float32)
        for name, (_, shape, _) in matrices.items()
    }  # fmt: skip
    assert quantizer(source, tmp_path / "theirs.gguf", recipe, entries) == 0
    report = convert(
        Request(source, tmp_path / "ours.gguf", encode=[recipe], imatrix=_written(tmp_path / "imatrix.dat", entries))
    )
    _same(tmp_path / "ours.gguf", tmp_path / "theirs.gguf")
    assert "ggml" in {codec["codec"] for codec in report.codecs}


def _written(path: Path, entries: dict[str, NDArray[np.float32]]) -> Path:
    parts = [struct.pack("<i", len(entries))]
    for name, values in entries.items():
        raw = name.encode()
        parts += [struct.pack("<i", len(raw)), raw, struct.pack("<ii", 1, values.size), values.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("case", [c for c in CASES if not c.unwritten], ids=lambda case: case.name)
def test_every_architecture(case: Case, matrix: Matrix, tmp_path: Path) -> None:
    source = matrix[0] / case.name / "script.gguf"
    if quantizer(source, tmp_path / "theirs.gguf", "q4_k_m"):
        pytest.skip("llama.cpp does not load this file")
    convert(Request(source, tmp_path / "ours.gguf", encode=["q4_k_m"]))
    _same(tmp_path / "ours.gguf", tmp_path / "theirs.gguf")


def test_canonical_names_say_what_ggufs_names_say(models: Path) -> None:
    for case in MODELS:
        model = open_model(models / f"{case.name}.gguf")[1]
        for name, (known, _, _) in gguf_parts(model).items():
            if len(model.tensors[name].shape) > 1:
                assert part(name) == part(known), (case.name, name)
                assert part(name) is not Part.KEPT or "gate" in name or "wpe" in name


def test_smollm2_itself(tmp_path: Path) -> None:
    smollm2 = Path(os.environ.get("HUB_SMOLLM2", "/nonexistent"))
    if not smollm2.is_file():
        pytest.skip("HUB_SMOLLM2 does not name the GGUF file of SmolLM2-135M-Instruct")
    plain = tmp_path / "f16.gguf"
    convert(Request(smollm2, plain, encode=["f16"]))
    for recipe in ("q4_k_m", "q5_k_s", "q6_k", "q3_k_m"):
        assert quantizer(plain, tmp_path / "theirs.gguf", recipe) == 0
        convert(Request(plain, tmp_path / f"{recipe}.gguf", encode=[recipe]))
        _same(tmp_path / f"{recipe}.gguf", tmp_path / "theirs.gguf")
