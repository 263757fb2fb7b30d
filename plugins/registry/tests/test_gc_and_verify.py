"""gc takes what nobody needs and nothing else; verify finds every kind of damage."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from registry_house import Models, document, hub, let_go, put

from hub.errors import UsageError
from hub.pipeline import Silent
from hub_registry import Store, check, located, remove, rollback, sweep, tag
from hub_registry._lease import leased
from hub_registry._manifest import Blob
from hub_registry._names import parse


def weights(store: Store, name: str) -> Path:
    """The blob with the weights of a model."""
    return store.path(store.manifest(store.digest(parse(name))).layers[0].digest)


def test_nothing_goes_that_a_name_leads_to(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.folder)
    before = sorted(store.blobs.iterdir())
    swept = sweep(store, grace=0)
    assert (swept.blobs, swept.manifests, swept.nbytes) == ((), (), 0)
    assert sorted(store.blobs.iterdir()) == before


def test_what_lost_its_name_goes_with_what_it_alone_has(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    both = store.manifest(put(store, "org/tiny:v2", models.apr, models.other))
    remove(store, parse("org/tiny:v2"))
    assert sweep(store).blobs == ()  # it came less than an hour ago
    assert sweep(store, grace=0, dry_run=True).manifests == (both.digest,)
    swept = sweep(store, grace=0)
    own = {both.digest, both.config.digest, both.layers[1].digest}
    assert (set(swept.blobs), swept.manifests) == (own, (both.digest,))
    assert check(store, None, Silent()).problems == ()
    assert not store.path(both.layers[1].digest).exists()
    assert store.path(both.layers[0].digest).exists()
    assert sweep(store, grace=0).blobs == ()


def test_a_stage_can_be_rolled_back_after_gc_as_far_as_was_kept(store: Store, models: Models) -> None:
    stage, first = parse("org/tiny:production"), put(store, "org/tiny:production", models.apr)
    put(store, "org/tiny:production", models.other)
    put(store, "org/tiny:production", models.folder)
    assert sweep(store, grace=0).manifests == ()
    assert sweep(store, grace=0, keep=1).manifests == (first,)
    assert rollback(store, stage).came
    with pytest.raises(UsageError, match=f"was at {first}, which gc has let go"):
        rollback(store, stage)
    assert sweep(store, grace=0, keep=0).manifests != ()
    assert check(store, None, Silent()).problems == ()


def test_what_a_living_process_brings_in_stays(store: Store) -> None:
    with leased(store) as lease:
        digest = lease.put(b"on its way")
        held = lease.put(b"relied on")
        assert sweep(store, grace=0).blobs == ()
        assert store.path(digest).read_bytes() == b"on its way"
    assert set(sweep(store, grace=0).blobs) == {digest, held}


def test_a_blob_that_is_there_already_is_not_lost_between_the_look_and_the_name(store: Store) -> None:
    blob = Blob("sha256:" + "0" * 64, 0, "")
    with leased(store) as lease:
        digest = lease.put(b"shared")
    with leased(store) as lease:
        assert lease.holds(Blob(digest, 6, ""), lambda _: None)  # from here on it is claimed
        assert not lease.holds(blob, lambda _: None)
        assert sweep(store, grace=0).blobs == ()


def test_a_view_in_use_keeps_its_model(store: Store, models: Models) -> None:
    digest = put(store, "org/tiny:v1", models.apr)
    path = located("org/tiny:v1", store)
    assert path is not None
    remove(store, parse("org/tiny:v1"))
    inode = path.stat()
    assert sweep(store, grace=0).manifests == ()
    assert path.stat().st_ctime_ns == inode.st_ctime_ns  # a verified model is known by it
    let_go()
    swept = sweep(store, grace=0)
    assert (swept.manifests, swept.views) == ((digest,), 1)
    assert not path.exists()
    assert sorted(store.views.iterdir()) == []


def test_another_process_uses_a_view(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    code = "import sys; from hub.locating import located; print(located('org/tiny:v1'), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout
        path = Path(user.stdout.readline().strip())
        remove(store, parse("org/tiny:v1"))
        assert sweep(store, grace=0).views == 0
        assert path.read_bytes() == models.apr.read_bytes()
        user.communicate("")
    assert sweep(store, grace=0).views == 1


def test_a_view_is_never_linked_to_what_another_one_uses(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    put(store, "org/tiny:v2", models.apr, models.other)
    first = located("org/tiny:v1", store)
    assert first is not None
    before = first.stat().st_ctime_ns
    second = located("org/tiny:v2#tiny.apr", store)
    assert second is not None
    assert not second.samefile(first)
    assert second.read_bytes() == first.read_bytes()
    assert first.stat().st_ctime_ns == before
    assert check(store, None, Silent()).problems == ()


def test_adds_and_gc_at_once_lose_nothing(store: Store, models: Models) -> None:
    stop, failed = threading.Event(), []

    def sweeping() -> None:
        while not stop.is_set():
            try:
                sweep(store, grace=0)
            except BaseException as error:
                failed.append(error)

    thread = threading.Thread(target=sweeping)
    thread.start()
    try:
        for n in range(12):
            put(store, f"org/m{n}:staging", (models.apr, models.other, models.folder)[n % 3])
            if n % 4 == 3:
                remove(store, parse(f"org/m{n}:staging"))
                put(store, f"org/m{n}:staging", models.folder)
    finally:
        stop.set()
        thread.join(60)
    assert failed == []
    assert check(store, None, Silent()).problems == ()
    assert len(store.index().names) == 12


def altered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "wrong"), [(altered, "altered"), (cut, "altered"), (Path.unlink, "missing")], ids=lambda v: str(v)[:20]
)
@pytest.mark.parametrize("which", ["weights", "config", "manifest", "card"])
def test_verify_finds_one_damaged_blob(
    damage: Callable[[Path], None], wrong: str, which: str, store: Store, models: Models
) -> None:
    put(store, "org/other:v1", models.other)
    manifest = store.manifest(put(store, "org/tiny:v1", models.folder))
    assert hub("registry", "verify").code == 0
    card = next(b.digest for b in manifest.layers if b.path == "README.md")
    digest = {"weights": manifest.layers[0].digest, "config": manifest.config.digest, "manifest": manifest.digest,
              "card": card}[which]  # fmt: skip
    damage(store.path(digest))
    code, told = document("registry-verify", "registry", "verify")
    found = [(p["wrong"], p["what"], p["names"]) for p in told["problems"] if p["names"]]
    assert (code, told["verified"]) == (1, False)
    assert found == [(wrong, digest, ["org/tiny:v1"])]
    assert hub("registry", "verify", "org/tiny:v1").code == 1
    assert hub("registry", "verify", "org/other:v1").code == 0


@pytest.mark.parametrize("damage", [altered, cut])
def test_an_altered_blob_is_replaced_when_the_bytes_come_again(
    damage: Callable[[Path], None], store: Store, models: Models
) -> None:
    put(store, "org/tiny:v1", models.apr)
    path = located("org/tiny:v1", store)
    let_go()
    damage(weights(store, "org/tiny:v1"))
    assert hub("registry", "verify").code == 1
    put(store, "org/tiny:v1", models.apr)
    assert hub("registry", "verify").code == 0
    assert located("org/tiny:v1", store) == path
    assert path is not None
    assert path.read_bytes() == models.apr.read_bytes()


def test_verify_finds_a_name_that_was_moved_behind_hubs_back(store: Store, models: Models) -> None:
    first, second = put(store, "org/tiny:v1", models.apr), put(store, "org/tiny:v2", models.other)
    tag(store, parse("org/tiny:v1"), parse("org/tiny:production"))
    index = store.root / "index.json"
    document_ = json.loads(index.read_text())
    document_["manifests"][-1] |= {"digest": second, "size": store.path(second).stat().st_size}
    index.write_text(json.dumps(document_))
    (problem,) = check(store, None, Silent()).problems
    assert (problem.wrong, problem.names) == ("history", ("org/tiny:production",))
    assert first in problem.detail


@pytest.mark.parametrize("fault", ["by", "cut", "swap", "gone"])
def test_verify_finds_a_history_that_was_edited(fault: str, store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    for _ in range(2):
        put(store, "org/tiny:production", models.apr)
        put(store, "org/tiny:production", models.other)
    path = store.history.path
    lines = path.read_text().splitlines(keepends=True)
    edited = {"by": [lines[0].replace("ada", "bob"), *lines[1:]], "cut": lines[:-1],
              "swap": [lines[1], lines[0], *lines[2:]], "gone": []}[fault]  # fmt: skip
    path.write_text("".join(edited))
    (problem,) = check(store, None, Silent()).problems
    assert problem.wrong == "history"
    ran = hub("registry", "tag", "org/tiny:v1", "staging")
    assert ran.code == 2
    assert "history.jsonl" in ran.err


def test_a_history_that_another_program_forgot_is_put_aside_and_not_lost(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    lines = store.history.path.read_text()
    index = store.root / "index.json"
    told = json.loads(index.read_text())
    del told["annotations"]
    index.write_text(json.dumps(told))
    assert [p.wrong for p in check(store, None, Silent()).problems] == ["history"]
    assert tag(store, parse("org/tiny:v1"), parse("org/tiny:production")).went
    (aside,) = store.own.glob("history-until-*.jsonl")
    assert aside.read_text() == lines
    assert [move.name for move in store.moves()] == ["org/tiny:production"]
    assert check(store, None, Silent()).problems == ()


def test_verify_finds_strangers_among_the_blobs_and_in_views(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    path = located("org/tiny:v1", store)
    assert path is not None
    (store.blobs / ("0" * 64)).write_bytes(b"not zero")
    (store.blobs / "notes.txt").touch()
    path.unlink()
    path.write_bytes(models.other.read_bytes())
    assert sorted(p.wrong for p in check(store, None, Silent()).problems) == ["altered", "stray", "view"]


def test_a_damaged_index_is_said(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    (store.root / "index.json").write_text('{"schemaVersion": 2, "manifests": [{}]}')
    code, told = document("registry-verify", "registry", "verify")
    assert code == 1
    assert told["problems"][0]["wrong"] == "unreadable"
    assert hub("registry", "gc", "--grace", 0).code == 2
    assert len(list(store.blobs.iterdir())) == 3


def test_gc_removes_nothing_when_it_cannot_tell(store: Store, models: Models) -> None:
    altered(store.path(put(store, "org/tiny:v1", models.apr)))
    put(store, "org/tiny:v2", models.other)
    remove(store, parse("org/tiny:v2"))
    before = sorted(store.blobs.iterdir())
    time.sleep(0.01)
    assert hub("registry", "gc", "--grace", 0).code == 2
    assert sorted(store.blobs.iterdir()) == before
