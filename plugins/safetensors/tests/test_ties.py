"""Tied embeddings: found by configuration and by comparison, written as a loader needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from hub.ir import Config, Lazy, Model, Tensor
from hub_safetensors import SafeTensors

Make = Callable[..., Path]
FORMAT = SafeTensors()
TIE = {"lm_head.weight": "model.embed_tokens.weight"}


def _anew(model: Model, **config: Any) -> Model:
    """The model as another format would give it: no files, no record."""
    changed = Config({**model.config, **config})
    return replace(model, files={}, source=Lazy[Any].of({}), config=changed)


def test_a_tie_by_configuration(make_folder: Make, llama: Callable[..., Any], config: dict[str, Any]) -> None:
    config["tie_word_embeddings"] = True
    model = FORMAT.read(make_folder(llama(config), config))
    assert model.ties == TIE
    assert "lm_head.weight" not in model.tensors


@pytest.mark.parametrize("said", [True, False])
def test_a_copy_is_found_and_kept_for_the_way_back(
    make_folder: Make, llama: Callable[..., Any], config: dict[str, Any], write: Make, tmp_path: Path, said: bool
) -> None:
    config["tie_word_embeddings"] = said
    arrays = llama(config)
    arrays["lm_head.weight"] = arrays["model.embed_tokens.weight"].copy()
    path = make_folder(arrays, config)
    model = FORMAT.read(path)
    assert model.ties == TIE
    back = write(model, tmp_path / "back")
    assert (back / "model.safetensors").read_bytes() == (path / "model.safetensors").read_bytes()
    # Without the record it is written once where the configuration ties, and twice where a loader would not.
    once = load_file(write(_anew(model), tmp_path / "anew") / "model.safetensors")
    assert ("lm_head.weight" in once) is not said


def test_one_changed_value_is_no_tie(make_folder: Make, llama: Callable[..., Any], config: dict[str, Any]) -> None:
    arrays = llama(config)
    arrays["lm_head.weight"] = arrays["model.embed_tokens.weight"].copy()
    arrays["lm_head.weight"][17, 3] += 1
    model = FORMAT.read(make_folder(arrays, config))
    assert model.ties == {}
    assert "lm_head.weight" in model.tensors


def test_a_head_that_differs_though_it_is_said_to_be_tied(
    make_folder: Make, llama: Callable[..., Any], config: dict[str, Any]
) -> None:
    arrays = llama(config)
    model = FORMAT.read(make_folder(arrays, {**config, "tie_word_embeddings": True}))
    assert model.ties == {}
    assert any("both are kept" in note for note in model.notes)


def test_a_made_config_says_whether_they_are_tied(folder: Path, write: Make, tmp_path: Path) -> None:
    model = FORMAT.read(folder)
    values = {k: v for k, v in model.config.items() if k != "tie_word_embeddings"}
    tensors: dict[str, Tensor] = {k: v for k, v in model.tensors.items() if k != "lm_head.weight"}
    tied = replace(model, files={}, source=Lazy[Any].of({}), config=Config(values), tensors=tensors, ties=TIE)
    back = FORMAT.read(write(tied, tmp_path / "tied"))
    assert back.ties == TIE
    assert dict(back.config) == values
    assert b'"tie_word_embeddings": true' in (tmp_path / "tied" / "config.json").read_bytes()
