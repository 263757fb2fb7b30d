from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import HubError, TargetExists
from hub.pipeline import Copier, Silent, Target, default_budget


def target(path: Path, *, folder: bool = False, overwrite: bool = False) -> Target:
    return Target(path, Copier(default_budget(), Silent()), folder=folder, overwrite=overwrite)


def test_nothing_is_at_the_target_until_commit(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with target(path) as sink:
        sink.create().write_bytes(b"whole")
        assert not path.exists()
        assert sink.primary.name == "model.gguf"
        assert sink.commit() == [path]
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_the_slower_of_two_runs_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with target(path) as slow:
        slow.create().write_bytes(b"slow")
        with target(path) as fast:
            fast.create().write_bytes(b"fast")
            fast.commit()
        with pytest.raises(TargetExists, match="--force"):
            slow.commit()
    assert path.read_bytes() == b"fast"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("folder", [True, False])
def test_a_file_replaces_no_folder_and_a_folder_no_file(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "model"
    if folder:
        path.touch()
    else:
        path.mkdir()
    with pytest.raises(TargetExists, match="folder"), target(path, folder=folder, overwrite=True):
        pass


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_an_interruption_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), target(tmp_path / "model.gguf") as sink:
        sink.create().write_bytes(b"half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"old")
    with pytest.raises(TargetExists, match="--force"), target(path):
        pass
    with target(path, overwrite=True) as sink:
        sink.create().write_bytes(b"new")
        assert path.read_bytes() == b"old"
        sink.commit()
    assert path.read_bytes() == b"new"


def test_shards_lie_beside_the_target(tmp_path: Path) -> None:
    with target(tmp_path / "m.gguf") as sink:
        for name in ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf"):
            sink.create(name).write_bytes(name.encode())
        assert sink.primary.name == "m-00001-of-00002.gguf"
        sink.commit()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with target(path, folder=True) as sink:
        sink.create("config.json").write_text("{}")
        sink.create("1_Pooling/config.json").write_text("[]")
        assert not path.exists()
        sink.commit()
    assert (path / "1_Pooling" / "config.json").read_text() == "[]"
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_an_existing_folder_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    (path / "config.json").write_text("mine too")
    with pytest.raises(TargetExists, match="config.json"), target(path, folder=True) as sink:
        sink.create("model.safetensors").touch()
        sink.create("config.json")
    assert sorted(p.name for p in path.iterdir()) == ["config.json", "notes.txt"]
    with target(path, folder=True, overwrite=True) as sink:
        sink.create("config.json").write_text("new")
        sink.commit()
    assert (path / "notes.txt").read_text() == "mine"
    assert (path / "config.json").read_text() == "new"


def test_a_missing_parent_is_named(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="does not exist"), target(tmp_path / "no" / "model.gguf"):
        pass


def test_names_that_lead_outside_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="outside"), target(tmp_path / "model", folder=True) as sink:
        sink.create("../elsewhere")
    assert list(tmp_path.iterdir()) == []
