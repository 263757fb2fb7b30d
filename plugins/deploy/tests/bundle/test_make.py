"""`hub bundle`: what it makes, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from hub.embedded import embedded

Machine = Any  # conftest's
Err = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("llama")


def contents(app: Path) -> dict[str, Any]:
    with zipfile.ZipFile(app) as archive:
        found: dict[str, Any] = json.loads(archive.read("bundle.json"))
    return found


def left(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_the_same_model_makes_the_same_bytes(
    app: Path, tiny: Path, tmp_path: Path, document: Callable[..., Any], capsys: Err
) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "again"
    assert main(["bundle", str(tiny), "-o", str(target), "--json"]) == 0
    said = document("bundle", capsys.readouterr().out)
    one, other = (set(contents(path)["files"].items()) for path in (app, target))
    assert sorted(one ^ other) == []  # a checkout that is being worked on makes another bundle
    assert target.read_bytes() == app.read_bytes()
    assert left(target.parent) == {"again"}
    assert (said["path"], said["nbytes"], said["converted"]) == (str(target), app.stat().st_size, False)
    assert said["trial"].startswith("19 tokens in")
    assert os.access(target, os.X_OK)
    assert target.stat().st_mode & 0o022 == 0


def test_another_format_goes_in_as_gguf(tiny: Path, tmp_path: Path, machine: Machine, capsys: Err) -> None:
    folder = tmp_path / "model"
    assert main(["convert", str(tiny), str(folder)]) == 0
    target = tmp_path / "app"
    assert main(["bundle", str(folder), "-o", str(target), "--encode", "q8_0:*ffn_*"]) == 2  # names no tensor
    assert left(tmp_path) <= {"model", "hub-cache", "config"}
    assert main(["bundle", str(folder), "-o", str(target), "--encode", "q8_0:*mlp*"]) == 0
    capsys.readouterr()
    assert main(["diff", str(folder), str(target)]) == 1
    assert main(["tensors", str(target), "--filter", "mlp.down_proj"]) == 0
    assert "Q8_0" in capsys.readouterr().out
    ran = machine.run(target, "run", "-p", "x", "-n", "1", "-q")
    assert ran.returncode == 0, ran.stderr
    assert "q8_0:*mlp*" in machine.run(target, "inspect").stdout


def test_a_damaged_model_is_not_bundled(tiny: Path, tmp_path: Path, capsys: Err) -> None:
    (tmp_path / "cut.gguf").write_bytes(tiny.read_bytes()[:-1000])
    assert main(["bundle", str(tmp_path / "cut.gguf"), "-o", str(tmp_path / "app")]) == 2
    assert "cut.gguf" in capsys.readouterr().err
    assert left(tmp_path) <= {"cut.gguf", "hub-cache", "config"}


def test_a_file_in_the_way_stays(tiny: Path, tmp_path: Path, capsys: Err) -> None:
    target = tmp_path / "app"
    target.write_text("mine")
    assert main(["bundle", str(tiny), "-o", str(target)]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert main(["bundle", str(tiny), "-o", str(tmp_path)]) == 2
    assert main(["bundle", str(tiny), "-o", str(tmp_path / "none" / "app")]) == 2
    assert main(["bundle", str(tiny), "-o", str(tiny), "--force"]) == 2


def _appears(folder: Path, name: str) -> bool:
    time.sleep(0.05)
    return bool(list(folder.rglob(name)))


def test_ctrl_c_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "hub", "bundle", str(tiny), "-o", str(tmp_path / "out" / "app")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert any(_appears(tmp_path / "out", "runtime.zip") for _ in range(1200))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert left(tmp_path / "out") == set()


@pytest.mark.parametrize("module", ["hub_runtime", "llama_cpp"])
def test_without_the_runtime_it_says_what_to_install(
    tiny: Path, tmp_path: Path, module: str, monkeypatch: pytest.MonkeyPatch, capsys: Err
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["bundle", str(tiny), "-o", str(tmp_path / "app")]) == 2
    assert "hub runtime install adds it" in capsys.readouterr().err
    assert not (tmp_path / "app").exists()


def test_a_policy_that_requires_signatures_is_heeded(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Err
) -> None:
    policy = tmp_path / "trust.toml"
    policy.write_text("require = true\n")
    monkeypatch.setenv("HUB_TRUST", str(policy))
    assert main(["bundle", str(tiny), "-o", str(tmp_path / "app")]) == 1
    assert "requires a signature" in capsys.readouterr().err
    assert not (tmp_path / "app").exists()


def test_what_the_source_s_signature_says_goes_in(tiny: Path, tmp_path: Path, machine: Machine) -> None:
    model, key = tmp_path / "signed.gguf", tmp_path / "me"
    model.write_bytes(tiny.read_bytes())
    assert main(["keygen", "-o", str(key)]) == 0
    assert main(["sign", str(model), "--key", str(key)]) == 0
    assert main(["bundle", str(model), "-o", str(tmp_path / "app")]) == 0
    assert "the source's says 'signed.gguf'" in machine.run(tmp_path / "app", "inspect").stdout
    inside = embedded(tmp_path / "app")
    assert inside is not None
    inside.check()
