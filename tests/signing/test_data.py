"""Manifests of data sets as they are read, and what a statement says of data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.errors import BadSignature, DamagedFile, UsageError
from hub.signing import Material, Statement
from hub.signing.data import Corpus, DataFile, material, problems, read_corpus, usual_corpus

A, B = "a" * 64, "b" * 64
CORPUS = Corpus("texts", 2, A, "folder", ("cache",), (DataFile("x.jsonl", 3, A, 1), DataFile("more/y.bin", 9, B)))


def written(folder: Path, **change: Any) -> Path:
    """The manifest with parts of its JSON replaced; None takes one away."""
    document = json.loads(CORPUS.payload()) | change
    path = folder / "texts.manifest.json"
    path.write_text(json.dumps({k: v for k, v in document.items() if v != "gone"}))
    return path


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "texts.manifest.json"
    path.write_bytes(CORPUS.payload())
    found = read_corpus(path)
    assert found == replace(CORPUS, files=tuple(sorted(CORPUS.files, key=lambda f: f.name)))
    assert found.payload() == CORPUS.payload()
    assert material(path).digest == CORPUS.digest
    assert usual_corpus(tmp_path) == path


FILE = {"name": "x", "bytes": 1, "sha256": A}
BAD: dict[str, dict[str, Any]] = {
    "no schema": {"schema": "gone"},
    "another schema": {"schema": "hub.corpus/2"},
    "no files": {"files": []},
    "a digest of other files": {"digest": A},
    "a file outside": {"files": [{**FILE, "name": "../x"}]},
    "two files that are one": {"files": [FILE, {**FILE, "name": "X"}]},
    "a size below nothing": {"files": [{**FILE, "bytes": -1}]},
    "a digest that is none": {"files": [{**FILE, "sha256": "a"}]},
    "a first version with a parent": {"version": 1},
    "a version that is no number": {"version": True},
    "a name that is a path": {"name": "a/b"},
    "something left out that lies outside": {"left_out": ["/etc"]},
    "another scope": {"scope": "world"},
}


@pytest.mark.parametrize("how", BAD)
def test_what_is_no_manifest_is_damage(tmp_path: Path, how: str) -> None:
    with pytest.raises(DamagedFile):
        read_corpus(written(tmp_path, **BAD[how]))


def test_the_only_manifest_of_a_folder_is_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one manifest of a data set was expected in it, there is none"):
        usual_corpus(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.manifest.json").write_text("{}")
    with pytest.raises(UsageError, match=r"there is a\.manifest\.json, b\.manifest\.json"):
        usual_corpus(tmp_path)


def test_files_are_held_to_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "what.ever").write_text("x")
    found, _ = problems(CORPUS, tmp_path)
    assert found == ["more/y.bin is missing", "x.jsonl is changed"]


def test_a_statement_says_what_data_a_model_is_made_from() -> None:
    said = Statement("m", {"m": A}, data=(Material("texts", 2, A, B),))
    assert Statement.parse(said.payload()) == said
    assert Statement.parse(replace(said, data=()).payload()).data == ()
    for broken in ('"hub.version": "2"', '"hub.version": -2', '"hub.other": 2'):
        with pytest.raises(BadSignature, match="names data in another form"):
            Statement.parse(said.payload().replace(b'"hub.version": 2', broken.encode()))
