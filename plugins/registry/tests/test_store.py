"""The store on the disk: what is added lies there, whole, under its name, and nothing else."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import oras.layout
import pytest
from registry_house import Models, hub, put

from hub.errors import DamagedFile, HubError, TargetExists, UsageError
from hub.pipeline import Silent
from hub_registry import Name, Store, add, remove, rollback, tag
from hub_registry._names import parse


def test_a_file_is_kept_byte_for_byte_read_only_under_its_digest(store: Store, models: Models) -> None:
    digest = put(store, "org/tiny:v1", models.apr)
    manifest = store.manifest(digest)
    (layer,) = manifest.layers
    assert (layer.path, layer.size) == ("tiny.apr", models.apr.stat().st_size)
    blob = store.path(layer.digest)
    assert blob.read_bytes() == models.apr.read_bytes()
    assert stat.S_IMODE(blob.stat().st_mode) == 0o444
    assert not blob.samefile(models.apr)  # whatever happens to the source does not happen here
    assert store.index().names == {"org/tiny:v1": digest}
    assert list(store.incoming.iterdir()) == []


def test_the_manifest_is_modelpacks(store: Store, models: Models) -> None:
    document = json.loads(store.manifest(put(store, "org/tiny:v1", models.folder)).raw)
    assert document["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert document["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    kinds = {one["annotations"]["org.cncf.model.filepath"]: one["mediaType"] for one in document["layers"]}
    raw = "application/vnd.cncf.model.{}.v1.raw"
    assert kinds == {
        "model.safetensors": raw.format("weight"), "config.json": raw.format("weight.config"),
        "1_Pooling/config.json": raw.format("weight.config"), "README.md": raw.format("doc"),
        "LICENSE": raw.format("doc"), "empty.txt": raw.format("doc"),
    }  # fmt: skip
    metadata = json.loads(document["layers"][0]["annotations"]["org.cncf.model.file.metadata+json"])
    assert metadata.keys() == {"name", "mode", "uid", "gid", "size", "mtime", "typeflag"}
    config = json.loads(store.small(document["config"]["digest"]))
    assert config["modelfs"] == {"type": "layers", "diffIds": [one["digest"] for one in document["layers"]]}
    assert config["config"] == {"format": "safetensors", "paramSize": "11.4K", "precision": "float32"}
    assert config["descriptor"]["family"] == "llama"


def test_the_same_files_are_the_same_manifest_and_their_bytes_lie_there_once(store: Store, models: Models) -> None:
    first = put(store, "org/tiny:v1", models.folder)
    count = len(list(store.blobs.iterdir()))
    placed = add(store, Name("else/where", "v2"), [models.folder], Silent())
    assert placed.manifest.digest == first
    assert placed.shared == placed.manifest.nbytes
    assert len(list(store.blobs.iterdir())) == count


def test_two_models_share_what_they_have_in_common(store: Store, models: Models, tmp_path: Path) -> None:
    put(store, "org/tiny:v1", models.folder)
    changed = Path(shutil.copytree(models.folder, tmp_path / "tiny"))
    (changed / "README.md").write_text("another card")
    placed = add(store, Name("org/tiny", "v2"), [changed], Silent())
    assert placed.manifest.nbytes - placed.shared == len("another card")


def test_one_model_in_several_formats(store: Store, models: Models) -> None:
    manifest = store.manifest(put(store, "org/tiny:v1", models.apr, models.folder))
    assert {layer.path for layer in manifest.layers} >= {"tiny.apr", "tiny/model.safetensors", "tiny/config.json"}


def test_orass_own_validator_accepts_the_store(store: Store, models: Models) -> None:
    layout = oras.layout.NewLayout(str(store.root))
    layout.validate()
    put(store, "org/tiny:v1", models.folder)
    digest = put(store, "org/other:v1", models.other)
    remove(store, parse("org/other:v1"))
    layout.validate()
    listed = layout.get_ordered_blobs("org/tiny:v1")
    assert {one.removeprefix("sha256:") for one in listed} <= {p.name for p in store.blobs.iterdir()}
    assert digest in store.index().unnamed


def test_a_tag_stays_and_a_stage_moves(store: Store, models: Models) -> None:
    first = put(store, "org/tiny:v1", models.apr)
    with pytest.raises(TargetExists, match=f"org/tiny:v1: is there already, as {first}"):
        put(store, "org/tiny:v1", models.other)
    assert store.index().names == {"org/tiny:v1": first}
    second = put(store, "org/tiny:v2", models.other)
    for name, digest in (("org/tiny:v1", first), ("org/tiny:v2", second)):
        assert tag(store, parse(name), parse("org/tiny:production")).went == digest
    assert put(store, "org/tiny:v1", models.other, force=True) == second
    with pytest.raises(UsageError, match="is at sha256:.* already"):
        tag(store, parse("org/tiny:v2"), parse("org/tiny:production"))


def test_roll_back_goes_one_further_back_each_time(store: Store, models: Models, tmp_path: Path) -> None:
    third = Path(shutil.copyfile(models.apr, tmp_path / "third.apr"))
    digests = [put(store, f"org/tiny:v{n}", p) for n, p in enumerate((models.apr, models.other, third))]
    stage = parse("org/tiny:production")
    with pytest.raises(UsageError, match="was nowhere before"):
        rollback(store, stage)
    for n in range(3):
        tag(store, parse(f"org/tiny:v{n}"), stage)
    assert [rollback(store, stage).went for _ in range(2)] == [digests[1], digests[0]]
    with pytest.raises(UsageError, match="was nowhere before"):
        rollback(store, stage)
    tag(store, parse("org/tiny:v2"), stage)
    assert rollback(store, stage, by="bob").went == digests[0]
    assert store.moves()[-1].by == "bob"


def test_a_name_that_was_taken_away_comes_back(store: Store, models: Models) -> None:
    digest = put(store, "org/tiny:v1", models.apr)
    move = remove(store, parse("org/tiny:v1"))
    assert (move.came, move.went, store.index().names) == (digest, None, {})
    assert rollback(store, parse("org/tiny:v1")).went == digest
    assert store.index().names == {"org/tiny:v1": digest}


def test_what_is_no_model_is_not_kept(store: Store, tmp_path: Path, models: Models) -> None:
    (tmp_path / "words.txt").write_text("no model")
    with pytest.raises(HubError, match="no installed plugin reads this"):
        put(store, "org/tiny:v1", tmp_path / "words.txt")
    linked = Path(shutil.copytree(models.folder, tmp_path / "linked"))
    (linked / "secret.txt").symlink_to("/etc/hostname")
    with pytest.raises(HubError, match="secret.txt: is a symbolic link"):
        put(store, "org/tiny:v1", linked)
    assert store.index().names == {}
    assert list(store.blobs.iterdir()) == []


def test_a_folder_of_something_else_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="is no OCI image layout"):
        Store.make(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_many_processes_add_at_once_and_nothing_is_lost(store: Store, models: Models) -> None:
    program = [sys.executable, "-m", "hub", "registry", "add"]
    paths = (models.apr, models.other, models.folder)
    running = [subprocess.Popen([*program, f"org/m{n}:v1", paths[n % 3]], stdout=subprocess.DEVNULL) for n in range(6)]
    assert [one.wait(120) for one in running] == [0] * 6
    assert list(store.index().names) == [f"org/m{n}:v1" for n in range(6)]
    assert hub("registry", "verify").code == 0
    assert len(store.moves()) == 6


def test_threads_make_one_store_and_move_one_stage(models: Models, tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def work(n: int) -> None:
        try:
            put(Store.make(tmp_path / "shared"), "org/tiny:staging", (models.apr, models.other)[n % 2])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    moves = Store.make(tmp_path / "shared").moves()
    assert all(later.came == earlier.went for earlier, later in itertools.pairwise(moves))


# Killed, outright, in the middle of an `add`: when a function is called for the N-th time.
KILL = """
import os, signal, sys
from pathlib import Path
import hub_registry._bytes, hub_registry._history, hub_registry._lease, hub_registry._store
from hub.cli import main
module, name, count = sys.argv[1].rsplit(".", 1)[0], sys.argv[1].rsplit(".", 1)[1], int(sys.argv[2])
owner = {"Store": hub_registry._store.Store, "Lease": hub_registry._lease.Lease,
         "History": hub_registry._history.History, "os": os}[module]
real = getattr(owner, name)
def killed(*arguments, **named):
    global count
    count -= 1
    if count < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)
setattr(owner, name, killed)
main(sys.argv[3:])
"""


@pytest.mark.parametrize(
    ("where", "calls"),
    [("os.fsync", 0), ("os.fsync", 3), ("os.fsync", 7), ("Lease.place", 2), ("Lease.put", 0), ("Lease.put", 1),
     ("Store.commit", 0), ("Store._replace", 0)],
)  # fmt: skip
def test_what_is_killed_in_the_middle_leaves_nothing_half_made(
    where: str, calls: int, store: Store, models: Models
) -> None:
    before = put(store, "org/tiny:v1", models.apr)
    command = [sys.executable, "-c", KILL, where, str(calls), "registry", "add", "org/tiny:v2", str(models.folder)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -9
    assert store.index().names == {"org/tiny:v1": before}
    assert hub("registry", "verify").code == 0
    assert [move.name for move in store.moves()] == ["org/tiny:v1"]
    put(store, "org/tiny:v2", models.folder)
    assert hub("registry", "gc", "--grace", 0).code == 0
    assert list(store.incoming.iterdir()) == []
    assert hub("registry", "verify").code == 0
    assert [move.name for move in store.moves()] == ["org/tiny:v1", "org/tiny:v2"]


def test_ctrl_c_leaves_nothing_behind(store: Store, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = os.fsync

    def interrupting(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(fd)

    monkeypatch.setattr(os, "fsync", interrupting)
    assert hub("registry", "add", "org/tiny:v1", models.folder).code == 130
    assert (store.index().names, list(store.incoming.iterdir())) == ({}, [])
    assert not [p for p in store.own.iterdir() if p.name.startswith("tmp")]


def test_a_source_that_changes_meanwhile_is_not_kept(
    store: Store, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copyfile(models.apr, tmp_path / "moving.apr"))
    real = os.preadv

    def changing(*arguments: object) -> int:
        os.utime(path, ns=(1, 1))
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "preadv", changing)
    with pytest.raises(HubError, match=r"moving.apr: changed while it was copied"):
        put(store, "org/tiny:v1", path)
    assert list(store.blobs.iterdir()) == []


def test_a_file_system_that_shares_nothing_is_copied_to(
    store: Store, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refused)
    (layer,) = store.manifest(put(store, "org/tiny:v1", models.apr)).layers
    assert store.path(layer.digest).read_bytes() == models.apr.read_bytes()


def test_an_altered_manifest_is_not_believed(store: Store, models: Models) -> None:
    path = store.path(put(store, "org/tiny:v1", models.apr))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"tiny.apr", b"tine.apr"))
    with pytest.raises(DamagedFile, match="is not what its name says"):
        store.manifest(store.digest(parse("org/tiny:v1")))
