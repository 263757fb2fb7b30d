"""What a bundle does on a machine with Python alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from hub.embedded import embedded

Machine = Any  # conftest's

ASK = ("-p", "Same", "-n", "20", "--seed", "42", "-q")


def test_it_says_what_hub_run_says(app: Path, machine: Machine, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = machine.run(app, "run", *ASK)
    assert (said.returncode, "Traceback" in said.stderr) == (0, False), said.stderr
    assert main(["run", str(tiny), *ASK]) == 0
    assert said.stdout == capsys.readouterr().out != ""
    again = machine.run(machine.python, app, "run", *ASK)  # without the shell
    assert (again.stdout, again.stderr) == (said.stdout, "")


def test_nothing_of_the_machine_s_own_packages_is_used(app: Path, machine: Machine, tmp_path: Path) -> None:
    for name in ("numpy", "hub", "llama_cpp", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from outside')")
    said = machine.run(app, "run", *ASK, PYTHONPATH=str(tmp_path))
    assert said.returncode == 0, said.stderr
    assert machine.run(machine.python, app, "verify", PYTHONPATH=str(tmp_path)).returncode == 0


def test_the_model_is_nowhere_else(app: Path, machine: Machine, tiny: Path) -> None:
    assert machine.run(app, "run", *ASK).returncode == 0
    kept = [p for p in machine.home.rglob("*") if p.is_file()]
    assert len(kept) > 500
    model = tiny.read_bytes()
    assert not [p for p in kept if p.suffix == ".gguf" or model[:4096] in p.read_bytes()]


def test_help_shows_the_commands_without_the_model(app: Path, machine: Machine) -> None:
    shown = machine.run(app, "--help")
    assert shown.returncode == 0
    names = ("run", "chat", "serve", "embed", "inspect", "verify", "bench", "perplexity", "profile", "trace")
    assert all(f"  {name} " in shown.stdout for name in names)
    assert machine.run(app).stdout == shown.stdout
    for name in names:
        told = machine.run(app, name, "--help")
        assert told.returncode == 0, told.stderr
        assert f"Usage: app {name} [OPTIONS]" in told.stdout
        assert " MODEL" not in told.stdout.splitlines()[0]


def test_it_talks(app: Path, machine: Machine) -> None:
    talk = subprocess.run(
        [app, "chat", "-n", "3", "--seed", "1"], input="Hi\n/quit\n", env=machine.environment(), capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (talk.returncode, "/help lists the commands" in talk.stderr) == (0, True), talk.stderr
    assert talk.stdout.strip()


def test_a_policy_of_the_machine_counts(app: Path, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "trust.toml").write_text("require = true\n")
    ran = machine.run(app, "run", *ASK, HUB_TRUST=str(tmp_path / "trust.toml"))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "requires a signature" in ran.stderr


def test_wrong_usage_is_code_2(app: Path, machine: Machine) -> None:
    wrong = machine.run(app, "run", "--nope")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "(see app --help)" in wrong.stderr
    assert machine.run(app, "convert", "a", "b").returncode == 2
    assert machine.run(app, "run", "x", "--gpu", "-q").returncode == 2  # this llama.cpp was built for the CPU


def test_the_documents_say_everything(app: Path, machine: Machine, tiny: Path, document: Callable[..., Any]) -> None:
    said = document("bundle-contents", machine.run(app, "inspect", "--json").stdout)
    assert said["model"]["nbytes"] == tiny.stat().st_size
    assert said["model"]["source"] == "tiny-llama.gguf"
    licenses = {p["name"]: p["license"] for p in said["packages"]}
    assert licenses["llama-cpp-python"] == "MIT"
    assert {"hub-core", "hub-gguf", "hub-runtime", "numpy"} <= licenses.keys()
    assert said["runs_on"]["implementation"] == "cpython"
    assert document("bundle-verified", machine.run(app, "verify", "--json").stdout)["digest"] == said["model"]["digest"]
    shown = machine.run(app, "inspect")
    assert shown.returncode == 0
    assert said["model"]["sha256"] in shown.stdout
    ran = json.loads(machine.run(app, "run", *ASK[:-1], "--json").stdout)
    assert (ran["schema"], ran["model"]) == ("hub.run/1", str(app))


def test_hub_reads_what_is_in_it(app: Path, tiny: Path) -> None:
    assert main(["diff", str(app), str(tiny)]) == 0
    found = embedded(app)
    assert found is not None
    assert found.offset % 4096 == 0
    assert app.read_bytes()[found.offset : found.end] == tiny.read_bytes()


@contextmanager
def serving(machine: Machine, *command: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address, once it answers."""
    words = [*map(str, command), "--port", "0"]
    with subprocess.Popen(
        words, env=machine.environment(), cwd=machine.folder, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            events = (json.loads(line) for line in process.stderr if line.startswith("{"))
            url = next(event["address"] for event in events if event["event"] == "listening")
            assert any(_ready(url) for _ in range(600))
            yield process, url
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def _ready(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/health/ready", timeout=10) as response:  # noqa: S310
        return bool(response.status == 200)
    time.sleep(0.1)
    return False


@pytest.mark.parametrize("more", [(), ("--mmap",), ("--replicas", "2")], ids=["one", "mapped", "replicas"])
def test_it_serves(app: Path, machine: Machine, more: tuple[str, ...]) -> None:
    with serving(machine, app, "serve", *more) as (process, address):
        body = json.dumps({"prompt": "Same", "max_tokens": 5, "temperature": 0}).encode()
        request = urllib.request.Request(f"{address}/v1/completions", body, {"Content-Type": "application/json"})  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            said = json.load(response)
        assert said["model"] == "tiny-llama"
        assert said["usage"]["completion_tokens"] == 5
        maps = Path(f"/proc/{process.pid}/maps")
        if more == ("--mmap",) and maps.exists():
            assert any(line.endswith(os.fspath(app)) for line in maps.read_text().splitlines())
    assert process.returncode == 0
