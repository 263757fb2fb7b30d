"""What `hub ci init` writes, run as GitHub and git would: every step in a shell, against the stand-in of the Hub."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_loopback import Loopback

from hub.cli import main

WORKFLOW = ".github/workflows/model.yml"
SHA = "c" * 40


class Runner:
    """A checkout, and the machine that runs workflows on it."""

    def __init__(self, root: Path, temp: Path, hub_server: Loopback) -> None:
        self.root, self.temp = root, temp
        temp.mkdir()
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(temp),
            "GITHUB_SHA": SHA,
            "HF_ENDPOINT": hub_server.url,
            "HUB_DISABLE_PLUGINS": "hub-runtime",
            "PRE_COMMIT_HOME": str(temp / "pre-commit"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            **{f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        self.secrets: dict[str, str] = {}

    def shell(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-e", "-c", command], cwd=self.root, env={**self.environment, **environment},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def works(self, command: str) -> str:
        done = self.shell(command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def prepares(self, command: str) -> None:
        """Run one of our own commands in this process, which is faster."""
        with contextlib.chdir(self.root), contextlib.redirect_stdout(io.StringIO()):
            assert main(shlex.split(command)) == 0, command

    def job(self, name: str) -> dict[str, subprocess.CompletedProcess[str]]:
        """Run the job's steps until one fails; those of `always()` run all the same."""
        done: dict[str, subprocess.CompletedProcess[str]] = {}
        failed = False
        for step in yaml.safe_load((self.root / WORKFLOW).read_text())["jobs"][name]["steps"]:
            if "run" in step and (not failed or step.get("if") == "always()"):
                done[step["name"]] = self.shell(step["run"], **self.given(step.get("env", {})))
                failed |= done[step["name"]].returncode != 0
        return done

    def given(self, env: Mapping[str, Any]) -> dict[str, str]:
        found = {name: re.fullmatch(r"\$\{\{ secrets\.(\w+) \}\}", value) for name, value in env.items()}
        return {name: self.secrets.get(match[1], "") for name, match in found.items() if match}


@pytest.fixture
def runner(tmp_path: Path, hub_server: Loopback, model_folder: Mapping[str, bytes]) -> Runner:
    """A git repository with a model in a folder, a public key and signed data; the secrets are set."""
    runner = Runner(tmp_path / "checkout", tmp_path / "temp", hub_server)
    (runner.root / "model").mkdir(parents=True)
    (runner.root / "data").mkdir()
    for name, data in model_folder.items():
        if name.startswith(("model-", "model.", "config.json")):
            (runner.root / "model" / name).write_bytes(data)
    (runner.root / "data" / "train.jsonl").write_text("{}\n")
    (runner.root / "requirements.txt").write_text("# what this machine has already\n")
    runner.prepares(f"keygen -o {tmp_path}/lab.pem")
    runner.prepares(f"data add data --key {tmp_path}/lab.pem")
    runner.works(f"cp {tmp_path}/lab.pem.pub . && git init -q -b main .")
    hub_server.token = "hf_right"  # noqa: S105  # the stand-in's
    runner.secrets = {"HF_TOKEN": "hf_right", "HUB_SIGNING_KEY": (tmp_path / "lab.pem").read_text()}
    return runner


INIT = "ci init model --repo org/tiny --key lab.pem.pub --data data --install '-r requirements.txt'"


def test_every_step_of_the_workflow_runs_and_the_model_is_published_signed(
    runner: Runner, hub_server: Loopback
) -> None:
    runner.prepares(INIT)
    for name, count in (("test", 5), ("release", 7)):
        done = runner.job(name)
        assert len(done) == count
        assert {k: (d.returncode, d.stderr) for k, d in done.items() if d.returncode} == {}
    repo = hub_server.repos["org/tiny"]
    assert repo.messages == [f"Built from {SHA}"]
    assert {"README.md", "model.sig", "config.json"} < repo.commits[1].keys()
    assert not (runner.temp / "signing.pem").exists()
    runner.works("hub pull hf://org/tiny -o back && hub verify back --key lab.pem.pub --name org/tiny")
    assert repo.commits[1]["model.sig"] == (runner.root / "back" / "model.sig").read_bytes()


def test_a_damaged_model_stops_the_workflow_at_its_first_step(runner: Runner, hub_server: Loopback) -> None:
    runner.prepares(INIT)
    shard = runner.root / "model" / "model-00001-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-4])
    done = runner.job("test")
    assert [d.returncode for d in done.values()] == [0, 1]
    assert list(done)[-1] == "Check the model in ten stages"
    assert hub_server.repos == {}


def test_changed_data_stops_the_workflow(runner: Runner) -> None:
    runner.prepares(INIT)
    (runner.root / "data" / "train.jsonl").write_text("{}\n{}\n")
    done = runner.job("test")
    assert list(done)[-1] == "Verify the training data"
    assert "train.jsonl is changed" in done["Verify the training data"].stderr


def test_without_its_secrets_a_release_fails_and_the_key_is_forgotten(runner: Runner, hub_server: Loopback) -> None:
    runner.prepares(INIT)
    del runner.secrets["HUB_SIGNING_KEY"]
    done = runner.job("release")
    assert [k for k, d in done.items() if d.returncode] == ["Sign the model"]
    assert list(done)[-1] == "Forget the signing key"
    assert not (runner.temp / "signing.pem").exists()
    assert hub_server.repos == {}


def test_a_model_that_its_author_signed_is_verified_and_published(
    runner: Runner, hub_server: Loopback, tmp_path: Path, model_gguf: bytes
) -> None:
    (runner.root / "tiny.gguf").write_bytes(model_gguf)
    runner.prepares(f"sign tiny.gguf --key {tmp_path}/lab.pem")
    runner.prepares("ci init tiny.gguf --repo org/one --key lab.pem.pub --sign-in here --install '-r requirements.txt'")
    for name in ("test", "release"):
        assert {k: (d.returncode, d.stderr) for k, d in runner.job(name).items() if d.returncode} == {}
    assert {"tiny.gguf", "tiny.gguf.sig", "README.md"} < hub_server.repos["org/one"].commits[1].keys()
    data = bytearray(model_gguf)
    data[-1] ^= 1  # a value, so that only the signature tells
    (runner.root / "tiny.gguf").write_bytes(data)
    done = runner.job("test")
    assert list(done)[-1] == "Verify the signature"
    assert "not what was signed: tiny.gguf is changed" in done["Verify the signature"].stderr


def test_the_hook_refuses_a_commit_with_a_damaged_model(runner: Runner) -> None:
    pytest.importorskip("pre_commit")
    runner.prepares(INIT)
    runner.works("git add . && python -m pre_commit install && git commit -q -m 'A sound model'")
    before = runner.works("git rev-parse HEAD")
    shard = runner.root / "model" / "model-00001-of-00002.safetensors"
    sound = shard.read_bytes()
    shard.write_bytes(sound[:-4])
    done = runner.shell("git add model && git commit -q -m 'A damaged one'")
    assert done.returncode == 1
    assert "Check the model in ten stages" in done.stderr
    assert "Failed" in done.stderr
    assert runner.works("git rev-parse HEAD") == before
    shard.write_bytes(sound)
    (runner.root / "data" / "train.jsonl").write_text("{}\n{}\n")
    done = runner.shell("git add . && git commit -q -m 'Other data than was signed'")
    assert done.returncode == 1
    assert "train.jsonl is changed" in done.stderr
    (runner.root / "notes.txt").write_text("x")
    (runner.root / "data" / "train.jsonl").write_text("{}\n")
    runner.works("git add . && git commit -q -m 'No model in it'")
