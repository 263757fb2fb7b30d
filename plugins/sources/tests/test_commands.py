"""`hub import` and `hub pull` as a user runs them, against the stand-in: results, refusals, and nothing half made."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hub_loopback import COMMITS, Fault, Loopback

import hub_sources
from hub.cli import main
from hub.opening import open_model

SCHEMA = Path(hub_sources.__file__).parent / "schemas" / "import.json"
FILE = "tiny-q4_k_m.gguf"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def run(*args: object) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(a) for a in args])
    return Ran(code, out.getvalue(), err.getvalue())


def document(*args: object) -> Any:
    ran = run(*args, "--json")
    assert ran.code == 0, ran
    said = json.loads(ran.out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(said)
    return said


@pytest.fixture(autouse=True)
def work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub_server: Loopback, model_gguf: bytes,
    model_folder: Mapping[str, bytes],
) -> Iterator[Path]:  # fmt: skip
    """An empty working directory, the stand-in with two repositories, and its caches where tests can see them."""
    from huggingface_hub import constants

    hub_server.add("org/tiny-GGUF", {FILE: model_gguf, "tiny-q8_0.gguf": b"other", "README.md": b"# Tiny"})
    hub_server.add("org/tiny", model_folder)
    monkeypatch.setenv("HF_ENDPOINT", hub_server.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert not list(folder.rglob(".hub-*")), "something hidden was left"


def test_the_course_s_line_works_as_written(work: Path, model_gguf: bytes) -> None:
    (work / "models").mkdir()
    args = ("import", "hf://org/tiny-GGUF", "--quantization", "q4_k_m", "-o", "models/qwen.gguf")
    ran = run(*args)
    assert ran.code == 0, ran
    assert (work / "models" / "qwen.gguf").read_bytes() == model_gguf
    assert f"From: hf://org/tiny-GGUF ({COMMITS[0]})" in ran.out
    assert f"File: {FILE}, " in ran.out
    assert "sha256 as announced" in ran.out
    assert ran.err == ""
    again = run(*args)
    assert (again.code, again.out) == (2, "")
    assert "models/qwen.gguf: exists already; --force replaces it" in again.err
    said = document(*args, "--force")
    assert (said["path"], said["format"], said["conversion"]) == ("models/qwen.gguf", "gguf", None)


def test_without_anything_said_the_usual_quantization_comes_and_is_named(work: Path) -> None:
    ran = run("import", "hf://org/tiny-GGUF")
    assert ran.code == 0, ran
    assert (work / FILE).exists()
    assert f"Note: {FILE} is one of 2; --quantization chooses another: q4_k_m, q8_0" in ran.out


@pytest.mark.parametrize("output", ["tiny.apr", "new-folder"])
def test_another_format_is_converted_and_verified(work: Path, output: str) -> None:
    said = document("import", "hf://org/tiny-GGUF", "--quantization", "q4_k_m", "-o", output)
    assert said["conversion"]["verified"]
    assert said["conversion"]["ok"]
    assert said["format"] == ("apr" if output.endswith("apr") else "safetensors")
    assert len(open_model(work / output)[1].tensors) == 12
    assert "Verified: " in run("import", "hf://org/tiny-GGUF", "-o", "again.apr").out


def test_a_quantization_nobody_made_is_made() -> None:
    said = document("import", "hf://org/tiny", "--quantization", "q8_0", "-o", "tiny.apr")
    assert said["conversion"]["counts"]["re-encoded"] > 0
    refused = run("pull", "hf://org/tiny", "--quantization", "q8_0", "-o", "other")
    assert refused.code == 2
    assert "has no q8_0; it has model-00001-of-00002.safetensors; hub import makes one" in refused.err


def test_a_folder_comes_as_it_is(work: Path, model_folder: Mapping[str, bytes]) -> None:
    said = document("pull", "hf://org/tiny")
    assert (said["path"], said["format"]) == ("tiny", "safetensors")
    assert (work / "tiny" / "config.json").read_bytes() == model_folder["config.json"]
    assert len(open_model(work / "tiny")[1].tensors) == 12
    assert run("pull", "hf://org/tiny").code == 2
    (work / "models").mkdir()
    assert document("pull", "hf://org/tiny", "-o", "models")["path"] == "models/tiny"
    assert document("pull", "hf://org/tiny", "-o", "named")["path"] == "named"


def test_a_split_model_comes_in_parts_or_as_one(work: Path, hub_server: Loopback, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    assert run("import", "hf://org/tiny-GGUF", "-o", parts / "t.gguf").code == 0
    assert run("convert", parts / "t.gguf", parts / "big-q8_0.gguf", "--shard-size", "20KB").code == 0
    split = {p.name: p.read_bytes() for p in parts.glob("big-*")}
    assert len(split) > 2
    hub_server.add("org/big-GGUF", split)
    first = min(split)
    assert document("pull", "hf://org/big-GGUF")["path"] == first
    assert {p.name: p.read_bytes() for p in work.iterdir()} == split
    assert document("pull", "hf://org/big-GGUF", "-o", "new")["path"] == f"new/{first}"
    assert {p.name: p.read_bytes() for p in (work / "new").iterdir()} == split
    refused = run("pull", "hf://org/big-GGUF", "-o", "one.gguf")
    assert f"{len(split)} parts of gguf came, and pull changes nothing" in refused.err
    assert document("import", "hf://org/big-GGUF", "-o", "one.gguf")["conversion"]["ok"]
    assert run("diff", parts / "t.gguf", "one.gguf").code == 0
    hub_server.add("org/torn-GGUF", {n: d for n, d in split.items() if n != first})
    assert f"1 parts of the model are not there: {first}" in run("pull", "hf://org/torn-GGUF").err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("pull", "hf://org/tiny-GGUF", "-o", "x.apr"), "gguf came, and pull changes nothing; hub import converts"),
        (("import", "hf://org/tiny-GGUF", "-o", "x.zip"), ".zip is no installed format's"),
        (("import", "hf://org/tiny-GGUF", "-o", "nowhere/x.gguf"), "the folder to write into does not exist"),
        (("import", "hf://org/tiny-GGUF", "--quantization", "q2_k"), "has no q2_k; it has q4_k_m, q8_0"),
        (("import", "hf://org/tiny-GGUF@v9"), "has no such revision"),
        (("import", "ftp://host/x.gguf"), "no source brings models from ftp:; there are file:, hf:, http:, https:"),
        (("import", "org/tiny"), "no such file or folder; hf://ORG/REPO is one on the Hugging Face Hub"),
        (("import", "hf://org/tiny-GGUF/tiny-q8_0.gguf"), "tiny-q8_0.gguf"),
    ],
)  # fmt: skip
def test_what_cannot_be_brought_is_said_and_leaves_nothing(work: Path, args: tuple[str, ...], said: str) -> None:
    ran = run(*args)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert not list(work.iterdir())


def test_a_mismatch_is_1_and_leaves_nothing(work: Path, hub_server: Loopback) -> None:
    hub_server.faults.append(Fault("flip", only=FILE))
    ran = run("import", "hf://org/tiny-GGUF", "-o", "x.apr")
    assert ran.code == 1
    assert "not the bytes that were announced" in ran.err
    assert not list(work.iterdir())


def test_offline_takes_the_cache(hub_server: Loopback) -> None:
    assert "is not in the cache, and offline" in run("import", "hf://org/tiny-GGUF", "--offline").err
    assert run("import", "hf://org/tiny-GGUF").code == 0
    hub_server.asked.clear()
    assert document("import", "hf://org/tiny-GGUF", "--offline", "-o", "x.apr")["revision"] == COMMITS[0]
    assert not hub_server.asked


def test_a_model_on_the_own_disk_is_converted_or_copied(work: Path, model_gguf: bytes) -> None:
    (work / "a.gguf").write_bytes(model_gguf)
    assert document("import", "a.gguf", "-o", "a.apr")["format"] == "apr"
    assert document("import", (work / "a.gguf").as_uri(), "-o", "b.apr")["source"] == "file"
    assert document("import", "a.gguf", "-o", "c.apr", "--quantization", "q8_0")["conversion"]["counts"]["re-encoded"]
    assert document("pull", "a.gguf", "-o", "copy.gguf")["files"][0]["nbytes"] == len(model_gguf)
    assert (work / "copy.gguf").read_bytes() == model_gguf
    assert "--offline has no effect" in run("pull", "a.gguf", "-o", "d.gguf", "--offline").err
    assert "--quantization has no effect" in run("pull", "a.gguf", "-o", "d.gguf", "--quantization", "q8_0").err


def test_a_stranger_s_source_is_asked(work: Path, model_gguf: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.plugins import registry

    class Shelf:
        name, schemes = "shelf", ("shelf",)

        def fetch(self, address: str, into: Path) -> Path:
            if address.endswith("lost"):
                return work
            path = into / "found.gguf"
            path.write_bytes(model_gguf)
            return path

    monkeypatch.setitem(registry().sources, "shelf", Shelf())
    monkeypatch.setattr(type(registry()), "plugin_of", lambda *_: "stranger")
    assert document("pull", "shelf:7")["path"] == "found.gguf"
    assert "--quantization has no effect on the source shelf" in run("pull", "shelf:7", "--quantization", "q8_0").err
    assert "a file or folder in" in run("pull", "shelf:lost").err


def test_the_policy_is_asked_before_anything_is_in_place(
    work: Path, hub_server: Loopback, tmp_path: Path, model_gguf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = tmp_path / "signed"
    signed.mkdir()
    (signed / FILE).write_bytes(model_gguf)
    assert run("keygen", "-o", tmp_path / "lab.pem").code == 0
    assert run("sign", signed / FILE, "--key", tmp_path / "lab.pem", "--name", "org/tiny").code == 0
    policy = tmp_path / "trust.toml"
    policy.write_text('require = true\n[[signer]]\nname = "Lab"\nkey = "lab.pem.pub"\nmodels = ["org/*"]\n')
    monkeypatch.setenv("HUB_TRUST", str(policy))
    for command, output in (("pull", "x.gguf"), ("import", "x.apr")):
        ran = run(command, "hf://org/tiny-GGUF", "-o", output)
        assert ran.code == 1, ran
        assert f"hub: error: hf://org/tiny-GGUF ({FILE}): is not signed" in ran.err
        assert not list(work.iterdir())
    signature = (signed / f"{FILE}.sig").read_bytes()
    hub_server.add("org/tiny-GGUF", {FILE: model_gguf, f"{FILE}.sig": signature})
    assert run("pull", "hf://org/tiny-GGUF", "-o", "x.gguf").code == 0
    assert (work / "x.gguf.sig").read_bytes() == signature
    assert run("verify", "x.gguf").code == 0
    assert run("import", "hf://org/tiny-GGUF", "-o", "x.apr").code == 0
    other = model_gguf[:-1] + bytes([model_gguf[-1] ^ 1])  # the Hub itself serves something else, and says so
    hub_server.add("org/other-GGUF", {FILE: other, f"{FILE}.sig": signature})
    ran = run("pull", "hf://org/other-GGUF", "-o", "y.gguf")
    assert ran.code == 1
    assert "not what was signed" in ran.err
    assert not (work / "y.gguf").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_half_made_is_visible_after_a_signal(work: Path, hub_server: Loopback, number: int) -> None:
    hub_server.faults.append(Fault("slow", only=FILE, seconds=20, times=1))
    command = [sys.executable, "-m", "hub", "import", "hf://org/tiny-GGUF", "-o", "x.gguf"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any(FILE in path for path in hub_server.paths()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[signal.Signals(number)]
    assert out == ""
    left = list(work.iterdir())
    if number == signal.SIGKILL:  # nobody could clean up; what is left is hidden
        assert all(p.name.startswith(".hub-") for p in left)
        for path in left:
            path.rmdir()
    else:
        assert not left
    assert run("import", "hf://org/tiny-GGUF", "-o", "x.gguf").code == 0


def test_two_at_once_to_one_target_leave_it_whole(work: Path, hub_server: Loopback, model_gguf: bytes) -> None:
    hub_server.faults.append(Fault("slow", only=FILE, seconds=0.3, times=2))
    command = [sys.executable, "-m", "hub", "import", "hf://org/tiny-GGUF", "-o", "x.gguf"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [p.communicate(timeout=60) for p in both]
    assert sorted(p.returncode for p in both) in ([0, 0], [0, 2]), said
    assert (work / "x.gguf").read_bytes() == model_gguf
    assert [p.name for p in work.iterdir()] == ["x.gguf"]
