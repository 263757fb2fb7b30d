"""The hooks of the contract: when each is called, with what, and what becomes of its errors. In the real program."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import pytest

Hub: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"
Strange = Callable[[str, str], Path]

# Writes a line for each event; TROUBLE names the hook that shall raise, and what.
WITNESS = """
import os
from pathlib import Path
from hub.errors import DamagedFile, HubError
from hub.hookspecs import hookimpl
from hub.interface import Finding

def told(hook, *facts):
    with open("events.txt", "a") as file:
        print(hook, *facts, file=file)
    where, _, what = os.environ.get("TROUBLE", "").partition("=")
    if where == hook:
        raise {"hub": HubError("not today"), "other": ZeroDivisionError("nought")}[what]

class Seal:
    def check(self):
        told("seal")

@hookimpl
def hub_before_load(path, use):
    told("before_load", Path(path).name, use)
    return Seal()

@hookimpl
def hub_before_convert(plan):
    told("before_convert", plan.format, len(plan.tensors))

@hookimpl
def hub_before_write(plan, target):
    told("before_write", target.name, target.exists(), len(plan.tensors))

@hookimpl
def hub_after_write(report, paths):
    told("after_write", report.target.format, *(p.name for p in paths), all(p.exists() for p in paths))

@hookimpl
def hub_after_convert(report):
    told("after_convert", "dry" if report.dry_run else report.verified)

@hookimpl
def hub_checks(path, model):
    told("checks", len(model.tensors))
    yield Finding("WITNESS:odd names", "FAIL" if "odd" in path.name else "PASS", "looked at all", tensor="a")
    yield Finding("WITNESS:size", "SKIP", "not looked at")
"""


@pytest.fixture
def events(strange: Strange, tmp_path: Path) -> Callable[[], list[str]]:
    strange("witness", WITNESS.replace("WITNESS", "witness"))
    log = tmp_path / "events.txt"

    def read() -> list[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    return read


Events = Callable[[], list[str]]


def left(tmp_path: Path) -> set[str]:
    return {p.name for p in tmp_path.iterdir()} - {"strange-plugins", "events.txt", "tiny.gguf"}


def test_a_conversion_fires_every_event_in_order(hub: Hub, events: Events, tiny_gguf: Path) -> None:
    assert hub("convert", tiny_gguf, "out.apr").returncode == 0
    assert events() == [
        "before_load tiny.gguf convert", "seal", "before_convert apr 12", "before_write out.apr False 12", "seal",
        "after_write apr out.apr True", "after_convert True",
    ]  # fmt: skip


def test_a_dry_run_writes_nothing_and_says_so(hub: Hub, events: Events, tiny_gguf: Path) -> None:
    assert hub("convert", tiny_gguf, "out.apr", "--dry-run").returncode == 0
    assert events() == ["before_load tiny.gguf convert", "seal", "before_convert apr 12", "seal", "after_convert dry"]
    assert not (tiny_gguf.parent / "out.apr").exists()


def test_after_a_write_all_files_are_named(hub: Hub, events: Events, tiny_gguf: Path) -> None:
    assert hub("convert", tiny_gguf, "folder").returncode == 0
    assert "after_write safetensors folder True" in events()
    assert hub("convert", tiny_gguf, "parts.gguf", "--shard-size", "16KB").returncode == 0
    (line,) = [e for e in events() if e.startswith("after_write")]
    assert line.startswith("after_write gguf parts-00001-of-00004.gguf parts-00002-of-00004.gguf parts-00003")


@pytest.mark.parametrize(
    ("command", "use"),
    [("inspect", "look"), ("tensors", "look"), ("check", "look"), ("validate", "look"), ("diff", "look")],
)
def test_every_command_that_reads_asks_once_before_and_after(
    hub: Hub, events: Events, tiny_gguf: Path, command: str, use: str
) -> None:
    paths = [tiny_gguf, tiny_gguf] if command == "diff" else [tiny_gguf]
    assert hub(command, *paths, env=None).returncode == 0
    seen = events()
    assert seen[0] == f"before_load tiny.gguf {use}"
    # `check` also runs the model where a runtime is installed, which is another use of it
    runs = command == "check" and all(map(find_spec, ("hub_runtime", "llama_cpp")))
    again = ["before_load tiny.gguf run"] if runs else []
    assert [e for e in seen if e.startswith("before_load")] == [seen[0], *again]
    assert seen[-1] == "seal"


@pytest.mark.parametrize("hook", ["before_load", "before_convert", "before_write", "seal"])
@pytest.mark.parametrize(("kind", "text"), [("hub", "not today"), ("other", "ZeroDivisionError('nought')")])
def test_an_error_before_the_end_stops_it_with_nothing_written(
    hub: Hub, events: Events, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    hook: str, kind: str, text: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("TROUBLE", f"{hook}={kind}")
    done = hub("convert", tiny_gguf, "out.apr")
    assert (done.returncode, done.stdout, left(tmp_path)) == (2, "", set())
    assert text in done.stderr
    assert "[witness]" in done.stderr
    assert events()[-1].startswith(hook)


@pytest.mark.parametrize("hook", ["after_write", "after_convert"])
@pytest.mark.parametrize(("kind", "text"), [("hub", "not today"), ("other", "ZeroDivisionError('nought')")])
def test_an_error_at_the_end_is_reported_and_undoes_nothing(
    hub: Hub, events: Events, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    hook: str, kind: str, text: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("TROUBLE", f"{hook}={kind}")
    done = hub("convert", tiny_gguf, "out.apr", "--json")
    assert (done.returncode, left(tmp_path)) == (2, {"out.apr"})
    said = json.loads(done.stdout)
    assert (said["ok"], said["verified"], said["failures"]) == (False, True, [])
    (problem,) = said["problems"]
    assert text in problem
    assert "[witness]" in problem
    assert problem in done.stderr
    assert events()[-1].startswith("after_convert")


def test_a_refused_model_is_read_by_nobody(
    hub: Hub, events: Events, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TROUBLE", "before_load=hub")
    tiny_gguf.write_bytes(b"GGUF")  # what any reader would say of it is not heard
    for command in ("inspect", "check", "validate", "tensors"):
        done = hub(command, tiny_gguf)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("hub: error: not today")
    assert events() == ["before_load tiny.gguf look"] * 4


def test_checks_of_plugins_are_stages_behind_the_ten(hub: Hub, events: Events, tiny_gguf: Path) -> None:
    said = json.loads(hub("check", tiny_gguf, "--json").stdout)
    stages = {s["stage"]: (s["outcome"], s["detail"]) for s in said["stages"][10:]}
    assert stages == {
        "witness:odd names": ("PASS", "tensor 'a': looked at all"),
        "witness:size": ("SKIP", "not looked at"),
    }
    assert (said["total"], said["outcome"]) == (12, "PASS")
    assert "checks 12" in events()
    odd = tiny_gguf.rename(tiny_gguf.with_name("odd.gguf"))
    done = hub("check", odd)
    assert done.returncode == 1
    assert "not reached: witness:odd names failed" in done.stdout


@pytest.mark.usefixtures("events")
def test_a_check_that_cannot_be_made_fails(hub: Hub, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROUBLE", "checks=hub")
    said = json.loads(hub("check", tiny_gguf, "--json").stdout)
    assert [(s["stage"], s["detail"]) for s in said["stages"] if s["outcome"] == "FAIL"] == [
        ("witness:checks", "not today")
    ]
    monkeypatch.setenv("TROUBLE", "checks=other")
    done = hub("check", tiny_gguf)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ZeroDivisionError('nought') in hub_checks [witness]" in done.stderr


def test_a_finding_under_another_name_is_refused(hub: Hub, strange: Strange, tiny_gguf: Path) -> None:
    strange("usurper", WITNESS.replace("WITNESS", "header"))
    done = hub("check", tiny_gguf)
    assert done.returncode == 2
    assert "a stage named usurper:... was expected [usurper]" in " ".join(done.stderr.split())


def test_a_seal_that_is_none_is_refused(hub: Hub, strange: Strange, tiny_gguf: Path) -> None:
    strange("glue", WITNESS.replace("return Seal()", "return 7"))
    done = hub("inspect", tiny_gguf)
    assert done.returncode == 2
    assert "hub_before_load returned 7, a Seal or None was expected [glue]" in done.stderr
