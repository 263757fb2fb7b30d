"""A name where a path is wanted: every command, every format, and the user's policy as for files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from registry_house import Models, Server, hub, put

from hub.interface import Locates
from hub.locating import located
from hub.pipeline import Silent
from hub.plugins import registry
from hub_registry import Store, push
from hub_registry import located as named
from hub_registry._names import address, parse


def test_every_command_that_reads_a_model(store: Store, models: Models, tmp_path: Path) -> None:
    put(store, "org/tiny:v1", models.folder)
    put(store, "org/tiny:production", models.apr)
    assert hub("inspect", "org/tiny:v1").out.startswith("Model: tiny\n")
    assert hub("tensors", "org/tiny:production").code == 0
    assert hub("validate", "org/tiny:v1").code == 0
    assert hub("check", "org/tiny:production").out == hub("check", models.apr).out
    assert hub("diff", "org/tiny:v1", "org/tiny:production").code == 0
    assert hub("rosetta", "diff-tensors", "org/tiny:v1", "org/tiny:production").code == 0
    assert hub("rosetta", "fingerprint", "org/tiny:v1", "org/tiny:production").code == 0
    assert hub("convert", "org/tiny:v1", tmp_path / "out.apr").code == 0
    assert (tmp_path / "out.apr").read_bytes() == models.apr.read_bytes()
    assert hub("import", "org/tiny:v1", "-o", tmp_path / "in.apr").code == 0
    assert hub("pull", "org/tiny:production", "-o", tmp_path / "back.apr").code == 0
    assert hub("registry", "add", "org/tiny:v2", "org/tiny:v1", models.other).code == 0
    assert "tiny.apr" in hub("publish", "org/tiny:production", "org/tiny", "--dry-run", "--license", "mit").out
    (tmp_path / "words").write_text("a passphrase")
    encrypted = hub("encrypt", "org/tiny:production", "-o", tmp_path / "e", "--passphrase-file", tmp_path / "words")
    assert encrypted.code == 0, encrypted


def test_the_path_has_the_files_under_their_own_names(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.folder)
    path = named("org/tiny:v1", store)
    assert path is not None
    assert path.name == "tiny"
    for file in models.folder.rglob("*"):
        if file.is_file():
            there = path / file.relative_to(models.folder)
            assert there.read_bytes() == file.read_bytes()
            assert not there.is_symlink()
            assert not there.stat().st_mode & 0o222


def test_a_path_that_exists_wins(store: Store, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "org/tiny:v1", models.apr)
    monkeypatch.chdir(tmp_path)
    Path("org").mkdir()
    shutil.copyfile(models.other, "org/tiny:v1")
    assert located("org/tiny:v1") == Path("org/tiny:v1")


def test_what_is_neither_names_both_readings(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    for text, said in {
        "org/none:v1": "org/none:v1: no such file or folder, and no model of that name in the registry",
        "none": "none: no such file or folder, and no model of that name in the registry",
        "./org/tiny:v1": "org/tiny:v1: no such file or folder",
        "/org/tiny:v1": "/org/tiny:v1: no such file or folder",
        "org/tiny:v2": "org/tiny:v2: is not in the registry; org/tiny has v1",
        "org/tiny:v1#gguf": "org/tiny:v1: has nothing that is 'gguf'; #NAME picks one: tiny.apr",
        "org/tiny@sha256:" + "0" * 64: "is not in the registry; hub registry ls lists what is there",
    }.items():
        ran = hub("inspect", text)
        assert ran.code == 2
        assert ran.out == ""
        assert said in ran.err


def test_of_several_formats_the_first_is_taken_aloud_and_any_other_by_name(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr, models.folder)
    ran = hub("inspect", "org/tiny:v1", "--json")
    assert ran.told["format"].startswith("APR")
    assert "hub: org/tiny:v1 holds 2 models: tiny.apr is taken, not #tiny\n" in ran.err
    for pick in ("safetensors", "tiny", "SafeTensors"):
        ran = hub("inspect", f"org/tiny:v1#{pick}", "--json")
        assert (ran.told["format"], ran.err) == ("SafeTensors", "")
    assert hub("inspect", f"org/tiny@{store.index().names['org/tiny:v1']}#apr").code == 0


def test_two_of_one_format_are_told_apart_by_their_files(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr, models.other)
    assert "has 2 models that are 'apr'; #NAME picks one: tiny.apr, other.apr" in hub("inspect", "org/tiny:v1#apr").err
    path = named("org/tiny:v1#other.apr", store)
    assert path is not None
    assert path.read_bytes() == models.other.read_bytes()


def test_shards_stay_together(store: Store, models: Models, tmp_path: Path) -> None:
    assert hub("convert", models.folder, tmp_path / "big.apr", "--shard-size", "16KB").code == 0
    manifests = [p for p in tmp_path.iterdir() if p.name.endswith(".json")]
    first = manifests[0] if manifests else sorted(tmp_path.glob("*.apr"))[0]
    manifest = store.manifest(put(store, "org/big:v1", first))
    assert len(manifest.layers) > 2
    path = named("org/big:v1", store)
    assert hub("diff", path, models.folder).code == 0


def test_a_view_whose_file_went_is_made_again(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.folder)
    path = named("org/tiny:v1", store)
    assert path is not None
    (path / "config.json").unlink()
    assert named("org/tiny:v1", store) == path
    assert (path / "config.json").is_file()


def test_a_missing_or_cut_blob_is_said_when_its_model_is_used(store: Store, models: Models) -> None:
    digest = put(store, "org/tiny:v1", models.apr)
    blob = store.path(store.manifest(digest).layers[0].digest)
    blob.chmod(0o644)
    blob.write_bytes(b"short")
    ran = hub("inspect", "org/tiny:v1")
    assert ran.code == 2
    assert "is not the 34,0" in ran.err or "bytes it was; hub registry verify names all that is wrong" in ran.err
    blob.unlink()
    assert "is missing; tiny.apr is kept in it; hub registry verify" in hub("inspect", "org/tiny:v1").err


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Two keys, and a policy that believes the first and demands a signature."""
    for name in ("good", "bad"):
        assert hub("keygen", "-o", tmp_path / f"{name}.pem").code == 0
    return tmp_path


def policy(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'require = true\n[[signer]]\nname = "ada"\nkey = "{keys / "good.pem.pub"}"\nmodels = ["*"]\n'
    (keys / "trust.toml").write_text(text)
    monkeypatch.setenv("HUB_TRUST", str(keys / "trust.toml"))


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_policy_holds_for_names_as_for_files(
    kind: str, store: Store, models: Models, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}
    for key in ("good", "bad", "none"):
        made[key] = keys / key / ("tiny.apr" if kind == "file" else "tiny")
        made[key].parent.mkdir()
        if kind == "file":
            shutil.copyfile(models.apr, made[key])
        else:
            shutil.copytree(models.folder, made[key])
        if key != "none":
            ran = hub("sign", made[key], "--key", keys / f"{key}.pem", "--name", "org/tiny")
            assert ran.code == 0, ran
        put(store, f"org/{key}:v1", made[key])
    policy(keys, monkeypatch)
    target = keys / "out.safetensors"
    for key, said in (("bad", "signed by"), ("none", "is not signed")):
        ran = hub("convert", f"org/{key}:v1", target)
        assert ran.code == 1, (key, ran)
        assert said in ran.err or "key" in ran.err
        assert hub("verify", f"org/{key}:v1").code == 1
    assert hub("verify", "org/good:v1").code == 0
    ran = hub("convert", "org/good:v1", target)
    assert ran.code == 0, ran
    assert hub("inspect", "org/none:v1").code == 0


def test_a_pull_that_the_policy_refuses_leaves_no_name(
    store: Store, models: Models, server: Server, keys: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(store, "org/tiny:v1", models.apr)
    to = server.address("org/tiny:v1")
    push(store, parse("org/tiny:v1"), address(to), Silent())
    policy(keys, monkeypatch)
    monkeypatch.setenv("HUB_REGISTRY", str(tmp_path / "second"))
    ran = hub("registry", "pull", to)
    assert ran.code == 1
    assert "is not signed" in ran.err
    assert hub("registry", "ls").out.startswith("no model in")


def test_what_lies_in_the_registry_is_not_signed_there(store: Store, models: Models, keys: Path) -> None:
    signed = keys / "tiny.apr"
    shutil.copyfile(models.apr, signed)
    put(store, "org/tiny:v1", signed)
    ran = hub("sign", "org/tiny:v1", "--key", keys / "good.pem")
    assert ran.code == 2
    assert "org/tiny:v1: no such file or folder" in ran.err
    assert hub("sign", signed, "--key", keys / "good.pem").code == 0
    against = ("--against", f"{signed}.sig", "--key", keys / "good.pem.pub")
    assert hub("verify", "org/tiny:v1", *against).code == 0
    put(store, "org/tiny:v2", models.other)
    assert hub("verify", "org/tiny:v2", *against).code == 1
    assert not list(store.views.rglob("*.sig"))


def test_two_sources_that_know_one_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Other:
        name, schemes = "other", ()

        def fetch(self, address: str, into: Path) -> Path:
            raise NotImplementedError

        def locate(self, name: str) -> Path | None:
            return tmp_path / name

    assert isinstance(Other(), Locates)
    monkeypatch.setitem(registry().sources, "other", Other())
    monkeypatch.setattr(type(registry()), "plugin_of", lambda *_: "test")
    assert located("thing") == tmp_path / "thing"
