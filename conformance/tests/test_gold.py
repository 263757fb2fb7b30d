"""Gold: add-only, complete, small; and a reader that loses something is caught by it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hub.ir import Config, Model
from hub.plugins import registry
from hub_conformance.notation import differences
from hub_conformance.suite._golds import GOLD, NONE, digests, expected, gold_path, golds

DIGESTS = Path(__file__).parent / "gold.json"
FORMATS = ["apr", "gguf", "safetensors"]
EVERY = [(kind, name) for kind in FORMATS for name in golds(kind)]


def test_gold_is_never_changed_or_removed() -> None:
    listed, there = json.loads(DIGESTS.read_text()), digests()
    wrong = [name for name, digest in listed.items() if there.get(name) != digest]
    assert not wrong, "gold is add-only: restore these files"
    new = sorted(there.keys() - listed.keys())
    assert not new, f"add their digests to {DIGESTS.name}: python -m conformance.scripts.gold WRITER does it"


def test_a_changed_and_a_lost_file_are_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gguf" / "w-1").mkdir(parents=True)
    file = tmp_path / "gguf" / "w-1" / "a.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr("hub_conformance.suite._golds.GOLD", tmp_path)
    before = digests()
    file.write_bytes(b"GGUG")
    assert digests().keys() == before.keys() == {"gguf/w-1/a.gguf"}
    assert digests() != before
    file.unlink()
    assert digests() == {}


def test_gold_is_small() -> None:
    assert sum(path.stat().st_size for path in GOLD.rglob("*")) < 2 << 20


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_has_gold_of_others_and_of_ours(kind: str) -> None:
    writers = {name.partition("/")[0] for name in golds(kind)}
    assert any(writer.startswith("hub-") for writer in writers)
    assert any(not writer.startswith("hub-") for writer in writers)
    assert golds("npz") == [NONE]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_gold_is_there_and_says_what_is_in_it(kind: str, name: str) -> None:
    assert gold_path(kind, name).exists()
    assert expected(kind, name)["tensors"]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_reader_that_loses_something_is_caught(kind: str, name: str) -> None:
    document, model = expected(kind, name), registry().named(kind).read(gold_path(kind, name))
    assert differences(document, model) == []
    for lossy in _lossy(model):
        assert differences(document, lossy)


def _lossy(model: Model) -> list[Model]:
    """The model without its last tensor, with another name for it, without its configuration, with other rows."""
    *rest, last = model.tensors
    kept = {name: model.tensors[name] for name in rest}
    lost = [replace(model, tensors=kept), replace(model, tensors={**kept, f"{last}.x": model.tensors[last]})]
    if model.config:
        lost.append(replace(model, config=Config({k: v for k, v in model.config.items() if k != "model_type"})))
    turned = [name for name in rest if name.endswith("q_proj.weight")]
    for name in turned:
        tensor = model.tensors[name]
        lost.append(replace(model, tensors={**model.tensors, name: tensor.take(np.arange(tensor.shape[0])[::-1])}))
    return lost
