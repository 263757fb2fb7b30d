"""What `hub registry` prints: text for people, one document for programs, and the exit code of the verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from registry_house import Models, document, hub, put

import hub_registry
from hub.interface import Locates, Source
from hub_registry import Store
from hub_registry.plugin import hub_provides


def test_add_ls_and_show(models: Models, tmp_path: Path) -> None:
    assert hub("registry", "ls").out == f"no model in {tmp_path / 'registry'}\n"
    code, told = document("registry-placed", "registry", "add", "org/tiny:v1", models.folder, "--by", "ada")
    assert (code, told["move"]["by"], told["shared"]) == (0, "ada", 0)
    assert len(told["files"]) == 6
    code, again = document("registry-placed", "registry", "add", "org/tiny:v1", models.folder)
    assert (code, again["digest"], again["move"], again["shared"]) == (0, told["digest"], None, told["nbytes"])
    assert "as before" in hub("registry", "add", "org/tiny:v1", models.folder).out
    code, listed = document("registry-ls", "registry", "ls")
    assert [(one["name"], one["digest"], one["by"]) for one in listed["names"]] == [
        ("org/tiny:v1", told["digest"], "ada")
    ]
    assert document("registry-ls", "registry", "ls", "other/")[1]["names"] == []
    code, shown = document("registry-show", "registry", "show", "org/tiny:v1")
    assert (code, shown["digest"], shown["stages"]) == (0, told["digest"], {"staging": None, "production": None})
    assert [one["format"] for one in shown["models"]] == ["safetensors"]
    assert shown["config"]["descriptor"]["licenses"] == ["mit"]


def test_stages_with_their_history(store: Store, models: Models) -> None:
    first, second = put(store, "org/tiny:v1", models.apr), put(store, "org/tiny:v2", models.other)
    for n in (1, 2):
        code, move = document("registry-move", "registry", "tag", f"org/tiny:v{n}", "production", "--by", f"user{n}")
        assert (code, move["action"], move["by"]) == (0, "tag", f"user{n}")
    assert "already" in hub("registry", "tag", "org/tiny:v2", "production").err
    code, move = document("registry-move", "registry", "rollback", "org/tiny:production", "--by", "eve")
    assert (code, move["came"], move["went"]) == (0, second, first)
    shown = document("registry-show", "registry", "show", "org/tiny:production")[1]
    assert shown["stages"]["production"] == first
    steps = [(m["action"], m["by"], m["came"], m["went"]) for m in shown["history"] if m["name"].endswith("production")]
    assert steps == [
        ("tag", "user1", None, first), ("tag", "user2", first, second), ("rollback", "eve", second, first),
    ]  # fmt: skip
    text = hub("registry", "show", "org/tiny:production").out
    assert f"production: {first} (this one)" in text
    assert "rollback  production" in text
    code, move = document("registry-move", "registry", "rm", "org/tiny:production")
    assert (code, move["went"]) == (0, None)
    assert hub("registry", "show", "org/tiny:production").code == 2


def test_gc_and_verify(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    assert hub("registry", "verify").out.startswith("Verified: yes; 3 blobs, ")
    assert hub("registry", "rm", "org/tiny:v1").code == 0
    code, told = document("registry-gc", "registry", "gc", "--dry-run")
    assert (code, told["blobs"], told["dry_run"]) == (0, [], True)
    assert told["young"] > 0
    assert "stay that came within 3600 s (--grace)" in hub("registry", "gc").out
    code, told = document("registry-gc", "registry", "gc", "--grace", 0)
    assert (code, len(told["blobs"]), len(told["manifests"])) == (0, 3, 1)
    code, told = document("registry-verify", "registry", "verify")
    assert (code, told["verified"], told["blobs"]) == (0, True, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "org/tiny"), "there is no registry yet; hub registry add makes one"),
        (("gc",), "there is no registry yet"),
        (("verify",), "there is no registry yet"),
        (("add", "tiny", "x.apr"), "no such file or folder"),
        (("add", "tiny", "/dev/null"), "is no name of a model: ORG/MODEL[:TAG] was expected"),
        (("add", "org/tiny:v1#apr", "/dev/null"), "names what is there"),
        (("push", "org/tiny", "https://host/org/tiny"), "oci://HOST/REPO[:TAG] was expected"),
        (("push", "org/tiny", "oci://host/org/tiny#apr"), "a tag is what can be pushed to"),
    ],
)
def test_what_cannot_be_done_is_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    ran = hub("registry", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_the_source_is_both_a_place_and_a_keeper_of_names() -> None:
    (one,) = hub_provides()
    assert isinstance(one, Source)
    assert isinstance(one, Locates)
    assert (one.name, one.schemes) == ("registry", ("oci",))


def test_every_public_name_is_there() -> None:
    assert all(getattr(hub_registry, name) is not None for name in hub_registry.__all__)


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, hub_registry.plugin as p; p.hub_provides()[0].locate('no name'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "oras", "requests", "hub.pipeline", "hub_registry._store"}.isdisjoint(loaded)


def test_without_the_package_its_command_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_DISABLE_PLUGINS", "hub-registry")
    program = [sys.executable, "-m", "hub"]
    done = subprocess.run([*program, "registry", "ls"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "comes with the package hub-registry; pip install hub-registry adds it" in done.stderr
    done = subprocess.run(
        [*program, "inspect", "org/tiny:v1"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "org/tiny:v1: no such file or folder\n" in done.stderr


def test_every_document_has_a_schema_of_its_own() -> None:
    schemas = list((Path(hub_registry.__file__).parent / "schemas").iterdir())
    assert len(schemas) == 7
    for path in schemas:
        told = json.loads(path.read_text())
        assert told["properties"]["schema"] == {"const": f"hub.{path.stem}/1"}
