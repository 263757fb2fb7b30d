"""One fault in a copy of the model: `diff`, `check` and `validate` find it, name it, and end with exit code 1."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from hub.cli import main

Document = Callable[..., tuple[int, Any]]
Weights = dict[str, NDArray[Any]]

UP, DOWN, Q = (f"model.layers.1.{name}.weight" for name in ("mlp.up_proj", "mlp.gate_proj", "self_attn.q_proj"))


@pytest.fixture
def harmed(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the folder whose weights and JSON files went through the functions given."""

    def make(weights: Callable[[Weights], None] | None = None, **files: Callable[[Any], None]) -> Path:
        copy = Path(shutil.copytree(folder, tmp_path / "harmed"))
        if weights:
            values = load_file(copy / "model.safetensors")
            weights(values)
            save_file(values, copy / "model.safetensors", metadata={"format": "pt"})
        for name, change in files.items():
            path = copy / f"{name}.json"
            content = json.loads(path.read_text(encoding="utf-8"))
            change(content)
            path.write_text(json.dumps(content), encoding="utf-8")
        return copy

    return make


def flip_a_bit(weights: Weights) -> None:
    weights[UP].reshape(-1).view(np.uint32)[77] ^= 1


def swap(weights: Weights) -> None:
    weights[UP], weights[DOWN] = weights[DOWN], weights[UP]


def scale_a_row(weights: Weights) -> None:
    weights[Q][3] *= 1.01


def make_nan(weights: Weights) -> None:
    weights[UP][0, 0] = np.nan


def drop(weights: Weights) -> None:
    del weights[Q]


def widen(weights: Weights) -> None:
    weights[UP] = np.concatenate([weights[UP], weights[UP][:1]])


@pytest.mark.parametrize(
    ("change", "culprits", "verdict"),
    [
        (flip_a_bit, {UP}, "differs"),
        (swap, {UP, DOWN}, "differs"),
        (scale_a_row, {Q}, "differs"),
        (make_nan, {UP}, "differs"),
        (drop, {Q}, "only in a"),
        (widen, {UP}, "shape"),
    ],
)
@pytest.mark.parametrize("other", ["safetensors", "gguf", "apr"])
def test_diff_names_the_tensor_across_formats(
    document: Document,
    models: dict[str, Path],
    harmed: Callable[..., Path],
    change: Callable[[Weights], None],
    culprits: set[str],
    verdict: str,
    other: str,
) -> None:
    code, said = document("diff", models[other], harmed(change))
    assert (code, said["equal"]) == (1, False)
    assert {t["name"]: t["verdict"] for t in said["tensors"]} == dict.fromkeys(culprits, verdict)


def test_one_flipped_bit_is_measured_and_placed(document: Document, folder: Path, harmed: Callable[..., Path]) -> None:
    tensor = document("diff", folder, harmed(flip_a_bit))[1]["tensors"][0]
    assert (tensor["different"], tensor["first"][0]) == (1, 77)
    assert 0 < tensor["max_abs"] < 1e-6
    assert tensor["cosine"] == pytest.approx(1)


def test_a_tolerance_forgives_a_small_difference_and_never_a_nan(
    document: Document, folder: Path, harmed: Callable[..., Path], tmp_path: Path
) -> None:
    assert document("diff", folder, harmed(flip_a_bit), "--tolerance", "1e-5")[0] == 0
    shutil.rmtree(tmp_path / "harmed")
    code, said = document("diff", folder, harmed(make_nan), "--tolerance", "1e9")
    assert (code, said["tensors"][0]["new_nan"]) == (1, 1)


def test_a_limit_shortens_the_list_and_not_the_comparison(
    document: Document, folder: Path, harmed: Callable[..., Path]
) -> None:
    code, said = document("diff", folder, harmed(swap), "--limit", "1")
    assert (code, len(said["tensors"]), said["omitted"]) == (1, 1, 1)
    assert (said["counts"]["differ"], said["counts"]["compared"]) == (2, 21)


def test_a_changed_merge_is_named_by_its_index(document: Document, folder: Path, harmed: Callable[..., Path]) -> None:
    def change(tokenizer: Any) -> None:
        tokenizer["model"]["merges"][1] = "h e"

    code, said = document("diff", folder, harmed(tokenizer=change))
    assert code == 1
    assert [f["key"] for f in said["facts"] if f["section"] == "tokenizer"] == ["merges[1]"]


@pytest.mark.parametrize(("key", "value"), [("rope_theta", 5e5), ("rms_norm_eps", 1e-6)])
@pytest.mark.parametrize("other", ["safetensors", "gguf", "apr"])
def test_a_changed_hyper_parameter_is_named(
    document: Document, models: dict[str, Path], harmed: Callable[..., Path], other: str, key: str, value: float
) -> None:
    code, said = document("diff", models[other], harmed(config=lambda c: c.update({key: value})))
    assert code == 1
    assert [f["key"] for f in said["facts"] if f["counts"] and f["section"] == "config"] == [key]


@pytest.mark.parametrize(
    ("change", "check", "culprit"),
    [
        (make_nan, "nan", UP),
        (lambda w: w[UP].__setitem__((2, 3), np.inf), "inf", UP),
        (lambda w: w[Q].fill(0), "all zero", Q),
        (lambda w: w[Q].fill(0.5), "constant", Q),
        (lambda w: w[DOWN].__setitem__(5, 0), "dead rows", DOWN),
    ],
)
def test_validate_names_the_tensor(
    document: Document, harmed: Callable[..., Path], change: Callable[[Weights], None], check: str, culprit: str
) -> None:
    code, said = document("validate", harmed(change))
    assert (code, said["valid"]) == (1, False)
    failed = {c["name"]: c["detail"] for c in said["checks"] if c["outcome"] == "FAIL"}
    assert set(failed) == {check}
    assert failed[check].startswith(f"{culprit}: ")


def test_strict_makes_a_warning_a_failure(document: Document, harmed: Callable[..., Path]) -> None:
    path = harmed(lambda w: w[UP].__setitem__((slice(None), slice(0, 60)), 0))
    assert document("validate", path)[0] == 0
    assert document("validate", path, "--strict")[0] == 1


@pytest.mark.parametrize(
    ("files", "stage"),
    [
        ({"config": lambda c: c.update(hidden_size=128)}, "config"),
        ({"config": lambda c: c.pop("num_hidden_layers")}, "config"),
        ({"config": lambda c: c.update(num_hidden_layers=1)}, "architecture"),
        ({"tokenizer": lambda t: t["model"]["merges"].append("zz top")}, "tokenizer"),
    ],
)
def test_check_names_the_stage(document: Document, harmed: Callable[..., Path], files: Any, stage: str) -> None:
    code, said = document("check", harmed(**files))
    assert (code, said["outcome"]) == (1, "FAIL")
    assert stage in [s["stage"] for s in said["stages"] if s["outcome"] == "FAIL"]


def test_models_without_a_tensor_in_common_are_not_equal(
    document: Document, folder: Path, harmed: Callable[..., Path]
) -> None:
    def rename(weights: Weights) -> None:
        for name in [*weights]:
            weights[f"other.{name}"] = weights.pop(name)

    code, said = document("diff", folder, harmed(rename))
    assert (code, said["counts"]["compared"]) == (1, 0)
    assert said["reason"].startswith("nothing was compared")


def test_one_metadata_key_of_two_files_of_one_format_is_named(
    document: Document, models: dict[str, Path], tmp_path: Path
) -> None:
    changed = tmp_path / "changed.gguf"
    data = models["gguf"].read_bytes()
    at = data.index(b"llama.context_length") + len(b"llama.context_length") + 4
    changed.write_bytes(data[:at] + (256).to_bytes(4, "little") + data[at + 4 :])
    code, said = document("diff", models["gguf"], changed)
    assert code == 1
    assert {f"{f['section']}.{f['key']}" for f in said["facts"]} >= {
        "config.max_position_embeddings",
        "gguf.keys.llama.context_length.value",
    }


def test_how_a_folder_is_cut_into_shards_is_no_difference(document: Document, folder: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    assert main(["convert", str(folder), str(shards), "--shard-size", "100KB", "--json"]) == 0
    assert len([*shards.glob("*.safetensors")]) > 1
    code, said = document("diff", folder, shards)
    assert (code, said["counts"]["same_bytes"]) == (0, 21)


def test_a_file_beside_the_weights_that_says_something_else_is_named(
    document: Document, folder: Path, harmed: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "with").mkdir()
    for path in folder.iterdir():
        (tmp_path / "with" / path.name).write_bytes(path.read_bytes())
    other = harmed()
    (tmp_path / "with" / "generation_config.json").write_text('{"temperature": 0.6}', encoding="utf-8")
    (other / "generation_config.json").write_text('{"temperature": 0.7}', encoding="utf-8")
    code, said = document("diff", tmp_path / "with", other)
    assert code == 1
    assert "generation_config.json.temperature" in [f["key"] for f in said["facts"] if f["counts"]]


def test_the_same_values_in_another_encoding_are_the_same_model(
    document: Document, models: dict[str, Path], tmp_path: Path
) -> None:
    packed, wide = tmp_path / "packed.gguf", tmp_path / "wide.gguf"
    assert main(["convert", str(models["gguf"]), str(packed), "--encode", "q8_0", "--json"]) == 0
    assert main(["convert", str(packed), str(wide), "--encode", "f32", "--json"]) == 0
    code, said = document("diff", packed, wide)
    assert code == 0
    assert "keys.general.file_type.value" in [f["key"] for f in said["facts"] if not f["counts"]]
    assert "keys.general.quantization_version" not in [f["key"] for f in said["facts"] if f["counts"]]
