"""Every command on the same model in three formats: text and JSON, one schema, one exit code."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from hub.plugins import registry

Hub = Callable[..., Any]
Document = Callable[..., tuple[int, Any]]

NORM = "model.norm.weight"


def test_inspect_says_the_same_of_every_format(document: Document, model: Path) -> None:
    code, said = document("inspect", model)
    assert code == 0
    wanted = {
        "architecture": "llama", "layers": 2, "hidden_size": 64, "attention_heads": 4, "kv_heads": 2, "head_dim": 16,
        "intermediate_size": 96, "vocabulary": 264, "context_length": 128, "rope_theta": 10000.0, "quantization": "F32",
        "tensor_count": 21, "parameters": 95_552, "tensor_bytes": 4 * 95_552, "chat_template": True, "naming": "hf",
    }  # fmt: skip
    assert {key: said[key] for key in wanted} == wanted
    assert said["tokenizer"]["tokens"] == 264
    assert said["tokenizer"]["merges"] == 5
    assert said["encodings"] == [{"encoding": "F32", "tensors": 21, "values": 95_552, "bytes": 4 * 95_552}]


def test_inspect_prints_the_labels_of_the_course(hub: Hub, model: Path) -> None:
    lines = hub("inspect", model).out.splitlines()
    labels = [line.partition(":")[0] for line in lines]
    assert labels[:9] == [
        "Model", "Format", "Quantization", "Parameters", "Vocabulary", "Architecture", "Layers", "Hidden Size",
        "Attention Heads",
    ]  # fmt: skip
    assert "Vocabulary: 264 tokens" in lines
    assert "Parameters: 95.6K" in lines


def test_the_size_is_that_of_all_files(document: Document, models: dict[str, Path]) -> None:
    for path in models.values():
        files = [path] if path.is_file() else [*path.iterdir()]
        assert document("inspect", path)[1]["size_bytes"] == sum(f.stat().st_size for f in files)


def test_tensors_lists_all_of_them(document: Document, folder: Path, model: Path) -> None:
    code, said = document("tensors", model)
    weights = load_file(folder / "model.safetensors")
    assert (code, said["total"], said["matched"]) == (0, len(weights), len(weights))
    assert {t["name"]: tuple(t["shape"]) for t in said["tensors"]} == {n: w.shape for n, w in weights.items()}
    assert all(t["stats"] is None for t in said["tensors"])


def test_statistics_are_those_that_numpy_finds(document: Document, folder: Path, model: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    for tensor in document("tensors", model, "--stats")[1]["tensors"]:
        values, stats = weights[tensor["name"]].astype(np.float64), tensor["stats"]
        assert (stats["min"], stats["max"]) == (values.min(), values.max())
        assert stats["mean"] == pytest.approx(values.mean(), abs=1e-12)
        assert stats["std"] == pytest.approx(values.std())
        assert stats["l2"] == pytest.approx(np.linalg.norm(values))
        assert (stats["zeros"], stats["nan"], stats["inf"]) == (0, 0, 0)


@pytest.mark.parametrize(("pattern", "count"), [("layers.0.", 9), ("*.mlp.*", 6), ("norm", 5), (NORM, 1)])
def test_a_filter_is_a_part_of_the_name_or_a_glob(document: Document, folder: Path, pattern: str, count: int) -> None:
    said = document("tensors", folder, "--filter", pattern)[1]
    assert (said["matched"], len(said["tensors"]), said["total"]) == (count, count, 21)


def test_a_filter_that_matches_nothing_is_an_error(hub: Hub, folder: Path) -> None:
    for command in (("tensors", folder), ("diff", folder, folder)):
        ran = hub(*command, "--filter", "nowhere")
        assert (ran.code, ran.out) == (2, "")
        assert "'nowhere'" in ran.err


def test_check_passes_in_ten_stages(document: Document, model: Path) -> None:
    code, said = document("check", model)
    assert code == 0
    assert [s["stage"] for s in said["stages"]] == [
        "magic", "header", "metadata", "index", "alignment", "checksum", "tokenizer", "config", "architecture",
        "inference",
    ]  # fmt: skip
    outcomes = {s["stage"]: s["outcome"] for s in said["stages"]}
    assert "FAIL" not in outcomes.values()
    assert all(outcomes[s] == "PASS" for s in ("header", "index", "tokenizer", "config", "architecture"))
    assert outcomes["inference"] == ("PASS" if "runtime" in {p.name for p in registry().plugins} else "SKIP")
    assert said["passed"] + said["skipped"] == 10


def test_a_format_without_a_checksum_does_not_pass_it(document: Document, models: dict[str, Path]) -> None:
    found = {}
    for name, path in models.items():
        found[name] = next(s["outcome"] for s in document("check", path)[1]["stages"] if s["stage"] == "checksum")
    assert found == {"safetensors": "SKIP", "gguf": "SKIP", "apr": "PASS"}


def test_validate_finds_a_healthy_model_valid(document: Document, model: Path) -> None:
    code, said = document("validate", model, "--strict")
    assert (code, said["valid"], said["strict"]) == (0, True, True)
    score = said["score"]
    assert score["ran"] + score["skipped"] == score["total"] == len(said["checks"])
    assert (score["failed"], score["passed"]) == (0, score["ran"])


def test_diff_finds_every_pair_of_formats_equal(document: Document, models: dict[str, Path]) -> None:
    for a, b in permutations(models, 2):
        code, said = document("diff", models[a], models[b])
        assert (code, said["equal"], said["reason"]) == (0, True, "equal"), (a, b, said)
        assert said["counts"]["compared"] == 21
        assert said["counts"]["values"] == 95_552


def test_diff_of_a_model_with_itself(document: Document, model: Path) -> None:
    code, said = document("diff", model, model)
    assert (code, said["counts"]["same_bytes"], said["facts"], said["tensors"]) == (0, 21, [], [])


def test_formats_names_all_three(document: Document) -> None:
    code, said = document("formats")
    assert code == 0
    assert {f["name"] for f in said["formats"]} >= {"gguf", "safetensors", "apr"}
    by_name = {f["name"]: f for f in said["formats"]}
    assert (by_name["apr"]["alignment"], by_name["safetensors"]["alignment"]) == (64, 8)
    assert "F32" in by_name["gguf"]["encodings"]


def test_plugins_names_their_distributions(document: Document) -> None:
    code, said = document("plugins")
    assert (code, said["problems"]) == (0, [])
    assert {p["distribution"] for p in said["plugins"]} >= {"hub-gguf", "hub-safetensors", "hub-apr"}
