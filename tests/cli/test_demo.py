"""The demonstration, on a small model instead of the one that pip fetches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Hub = Callable[..., Any]
Document = Callable[..., tuple[int, Any]]


def test_a_model_goes_through_every_format_and_comes_back(document: Document, models: dict[str, Path]) -> None:
    code, said = document("demo", "--model", models["gguf"])
    assert code == 0
    steps = [(step["source"], step["target"]) for step in said["steps"]]
    assert steps == [
        ("tiny.gguf", "tiny"), ("tiny", "tiny.apr"), ("tiny.apr", "tiny-back.gguf"), ("tiny.gguf", "= tiny-back.gguf"),
    ]  # fmt: skip
    assert said["steps"][-1]["outcome"] == "all 21 tensors, config and tokenizer equal"


def test_the_results_stay_where_they_are_wanted(hub: Hub, models: dict[str, Path], tmp_path: Path) -> None:
    keep = tmp_path / "new" / "folder"
    assert hub("demo", "--model", models["gguf"], "--keep", keep).code == 0
    assert sorted(path.name for path in keep.iterdir()) == ["tiny", "tiny-back.gguf", "tiny.apr"]
    again = hub("demo", "--model", models["gguf"], "--keep", keep)
    assert (again.code, again.err) == (2, f"hub: error: {keep}: --keep takes a new folder\n")


def test_a_model_that_cannot_be_read_ends_it(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    ran = hub("demo", "--model", tmp_path / "bad.gguf")
    assert (ran.code, ran.out) == (2, "")
    assert "bad.gguf, byte" in ran.err
