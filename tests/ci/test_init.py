"""`hub ci init`: what it writes is what GitHub and pre-commit read, from one table, and nothing of a user's is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import pytest
import yaml

import hub as package
from hub.ci import HOOK, HOOKS, RELEASE, TEST, WORKFLOW, Setup, steps
from hub.cli import main

Hub: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hub:
    """Runs the program in `tmp_path`, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        code = main(args)
        return subprocess.CompletedProcess(args, code, *capsys.readouterr())

    return run


@pytest.fixture
def repository(tmp_path: Path, tiny_gguf: Path, hub: Hub) -> Path:
    """A folder with a model, a key and data, where `hub` runs."""
    (tmp_path / "model").mkdir()
    tiny_gguf.rename(tmp_path / "model" / "tiny.gguf")
    assert hub("keygen", "-o", "lab.pem").returncode == 0
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "corpus.manifest.json").write_text("{}")
    return tmp_path


FLAGS: dict[str, tuple[tuple[str, ...], set[str], set[str]]] = {
    "all": (
        ("--repo", "lab/tiny", "--key", "lab.pem.pub", "--data", "data"),
        {"check", "validate", "data", "plan"},
        {"card", "take", "sign", "forget", "verify", "publish"},
    ),
    "signed here": (
        ("--repo", "lab/tiny", "--key", "lab.pem.pub", "--sign-in", "here"),
        {"check", "validate", "signed", "plan"},
        {"verify", "publish"},
    ),
    "not signed": (("--repo", "lab/tiny"), {"check", "validate", "plan"}, {"publish"}),
    "not published": (("--key", "lab.pem.pub"), {"check", "validate"}, {"take", "sign", "forget", "verify"}),
    "neither": ((), {"check", "validate"}, set()),
}


def commands(job: Any) -> list[str]:
    return [step["run"].strip() for step in job["steps"] if "run" in step][1:]  # the first one installs


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("how", FLAGS)
def test_workflow_and_hooks_run_the_steps_of_one_table(hub: Hub, tmp_path: Path, how: str) -> None:
    flags, test, release = FLAGS[how]
    done = hub("ci", "init", "model", *flags, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    schema = json.loads((Path(package.__file__).parent / "schemas" / "ci-init.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(said)
    jobs = yaml.safe_load((tmp_path / WORKFLOW).read_text())["jobs"]
    hooks = yaml.safe_load((tmp_path / HOOKS).read_text())["repos"][0]["hooks"]
    by_place = {p: [s for s in said["steps"] if p in s["places"]] for p in (HOOK, TEST, RELEASE)}
    assert {s["id"] for s in by_place[TEST]} == test
    assert {s["id"] for s in by_place[RELEASE]} == release
    assert commands(jobs["test"]) == [s["run"] for s in by_place[TEST]]
    assert ("release" in jobs) == bool(release)
    if release:
        assert commands(jobs["release"]) == [s["run"] for s in by_place[RELEASE]]
    assert [h["entry"] for h in hooks] == [s["run"] for s in by_place[HOOK]]
    text = hub("ci", "init", "model", *flags, "--force").stdout
    assert all(step["run"] in text for step in said["steps"])


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("how", FLAGS)
def test_github_and_pre_commit_would_read_them(hub: Hub, tmp_path: Path, how: str) -> None:
    pytest.importorskip("check_jsonschema", reason="it brings GitHub's schema of workflows")
    pytest.importorskip("pre_commit")
    assert hub("ci", "init", "model", *FLAGS[how][0]).returncode == 0
    schema = files("check_jsonschema").joinpath("builtin_schemas/vendor/github-workflows.json").read_text("utf-8")
    parsed = yaml.safe_load((tmp_path / WORKFLOW).read_text())
    parsed["on"] = parsed.pop(True)  # what YAML 1.1 makes of the word
    jsonschema.Draft7Validator(json.loads(schema)).validate(parsed)
    assert parsed["permissions"] == {"contents": "read"}
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(tmp_path / HOOKS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.usefixtures("repository")
def test_secrets_reach_the_steps_that_need_them_and_no_others(hub: Hub, tmp_path: Path) -> None:
    assert hub("ci", "init", "model", *FLAGS["all"][0]).returncode == 0
    jobs = yaml.safe_load((tmp_path / WORKFLOW).read_text())["jobs"]
    given = {s["name"]: list(s["env"]) for j in jobs.values() for s in j["steps"] if "env" in s}
    assert given == {
        "Take the signing key": ["HUB_SIGNING_KEY"],
        "Sign the model": ["HUB_KEY_PASSPHRASE"],
        "Publish the model": ["HF_TOKEN"],
    }
    assert "secrets" not in json.dumps(jobs["test"])
    assert jobs["release"]["needs"] == "test"
    assert "github.ref == 'refs/heads/main'" in jobs["release"]["if"]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("name", [WORKFLOW, HOOKS])
def test_nothing_is_overwritten_and_then_nothing_is_written(hub: Hub, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    done = hub("ci", "init", "model")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name}: exists already; --force replaces it" in done.stderr
    assert (tmp_path / name).read_text() == "mine"
    assert [p for p in (WORKFLOW, HOOKS) if (tmp_path / p).exists()] == [name]
    assert hub("ci", "init", "model", "--force").returncode == 0
    assert (tmp_path / name).read_text() != "mine"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("nowhere",), "no such file or folder in the repository"),
        ((".",), "is the whole repository"),
        (("..",), "lies outside the repository"),
        (("model", "--repo", "a/b; rm -rf /"), "has characters that a workflow may read something into"),
        (("model", "--branch", "${{ github.token }}"), "has characters that a workflow may read something into"),
        (("model", "--install", "x && y"), "has characters that a workflow may read something into"),
        (("model", "--sign-in", "there"), "--sign-in is one of ci, here"),
        (("model", "--sign-in", "here"), "--sign-in has no effect without --key"),
        (("model", "--data", "data"), "--data has no effect without --key"),
        (("model", "--key", "lab.pem"), "lab.pem"),
        (("model", "--key", "nowhere.pub"), "nowhere.pub"),
    ],
)
def test_what_would_not_work_is_refused(hub: Hub, tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    done = hub("ci", "init", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (tmp_path / ".github").exists()
    assert not (tmp_path / HOOKS).exists()


def test_paths_are_quoted_for_the_shell() -> None:
    (check, *_) = steps(Setup("my model", folder=True))
    assert check.run == "hub check 'my model'"
