"""The course line by line: what is checked of each, and what the runner does where the text leaves something open.

`STEPS` has one entry for each command of the capstone, in its order.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.course import answers, formats, measures, tree
from tests.course.check import Check, promise, succeeds
from tests.course.scene import PORTS, ROOT, Scene, Seen

KINDS = ("gguf", "safetensors", "apr")
PROMPT = "Write a Python function to calculate factorial:"
CONFIG = "deployments/server/config.toml"
NO_GPU = "llama.cpp has no GPU to run on"


@dataclass(frozen=True)
class Step:
    """A command: how it begins, its promises, and what the runner does besides.

    `before` runs before it, and `note` says so in the table. `typed` is given to it on standard input. `instead` is
    run in its place, when the command is not ours. `no` is the outcome of a line that may say no and keep its promise.
    `needs` are programs of others without which it cannot run.
    """

    begins: str
    checks: tuple[Check, ...]
    before: Callable[[Scene], None] | None = None
    note: str = ""
    typed: str = ""
    instead: str = ""
    no: str = ""
    needs: tuple[str, ...] = ()


def model(kind: str) -> str:
    """The course's name of its model in a format, seen from its folder."""
    return f"models/qwen2.5-coder-0.5b.{kind}"


@promise("the shell is in it")
def _in_capstone(seen: Seen) -> None:
    assert seen.folder == seen.scene.capstone


@promise("the shell is in it")
def _in_wasm(seen: Seen) -> None:
    assert seen.folder == seen.scene.capstone / "deployments" / "wasm"


@promise("the folder is there")
def _has_models(seen: Seen) -> None:
    assert (seen.scene.capstone / "models").is_dir()


@promise("the file has the three prompts")
def _prompts(seen: Seen) -> None:
    found = (seen.scene.capstone / "deployments" / "cli" / "prompts.txt").read_text(encoding="utf-8")
    assert found.splitlines() == seen.text.splitlines()[1:-1]


@promise(f'without a GPU exit code 2, "{NO_GPU}", and the command that brings one in; nothing is generated')
def refused(seen: Seen) -> None:
    """Asking for a GPU where there is none is an error that says how to get it."""
    if seen.code == 0:
        answers.says(200).holds(seen)
        return
    assert seen.code == 2
    assert NO_GPU in seen.err
    assert "hub runtime install --backend cuda" in seen.err
    assert not seen.out


def _laid_out(scene: Scene) -> None:
    for path in tree.folders("Project Structure"):
        (scene.root / path).mkdir(parents=True, exist_ok=True)


def _linked(scene: Scene) -> None:
    (scene.capstone / "deployments" / "models").symlink_to(Path("..") / "models")


def _input(scene: Scene) -> None:
    shutil.copy(scene.capstone / model("safetensors"), scene.rans[-1].folder / "input.safetensors")


def _configured(scene: Scene) -> None:
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    (block,) = [b for b in re.split(r"\n\n(?=\S)|\n\n(?=    )", text) if b.startswith(f"    # {CONFIG}")]
    (scene.capstone / CONFIG).write_text(textwrap.dedent(block), encoding="utf-8")


def _only_ours(scene: Scene) -> None:
    """The next line kills whoever has to do with the port: it must be nobody but the server that the course started."""
    found = subprocess.run(["lsof", "-t", "-i", f":{PORTS[0]}"], capture_output=True, text=True, check=True)
    assert {os.getpgid(int(process)) for process in found.stdout.split()} == {scene.shell.group}


SET = (succeeds,)

ACQUISITION = (
    Step("mkdir -p capstone/models", (succeeds, _has_models)),
    Step("cd capstone", (succeeds, _in_capstone)),
    Step(
        "apr import hf://Qwen/Qwen2.5-0.5B-Instruct-GGUF --quantization",
        (succeeds, formats.is_served(model("gguf"))),
        before=_laid_out,
        note="the other folders of Project Structure are made first; the text never does",
    ),
    Step(f"apr inspect {model('gguf')}", (succeeds, formats.as_expected, formats.word_for_word)),
    Step(
        f"apr rosetta convert {model('gguf')} {model('safetensors')} --verify",
        (
            succeeds,
            formats.converted(model("gguf"), model("safetensors")),
            formats.independently,
            formats.smaller(model("gguf"), model("safetensors")),
        ),
    ),
    Step(f"apr inspect {model('safetensors')}", (succeeds, formats.described_as(model("gguf")))),
    Step(
        f"apr rosetta convert {model('safetensors')} {model('apr')} --compression lz4 --verify",
        (
            succeeds,
            formats.converted(model("safetensors"), model("apr")),
            formats.smaller(model("gguf"), model("apr")),
            formats.smaller(model("apr"), model("safetensors")),
        ),
    ),
    Step(
        f"apr rosetta convert {model('gguf')} models/qwen2.5-coder-0.5b-direct.apr --verify",
        (succeeds, formats.converted(model("gguf"), "models/qwen2.5-coder-0.5b-direct.apr")),
    ),
    Step(f"apr inspect {model('apr')} --json", (succeeds, formats.as_document)),
    Step(f"apr check {model('gguf')}", (succeeds, formats.ten_stages)),
    Step(f"apr check {model('safetensors')}", (succeeds, formats.ten_stages)),
    Step(f"apr check {model('apr')}", (succeeds, formats.ten_stages, formats.aligned_and_summed)),
)

CLI = (
    Step("PROMPT=", SET),
    Step(f"apr run {model('gguf')} -p", (succeeds, answers.says(100), answers.draws(model("gguf"), PROMPT))),
    *(Step(f"apr run {model(kind)} -p", (succeeds, answers.says(100))) for kind in KINDS[1:]),
    *(
        Step(
            f"apr chat {model(kind)} --temperature 0.7 --top-p 0.9",
            (succeeds, answers.talked("You are a helpful coding assistant." if kind == "gguf" else None)),
            typed=answers.typed(),
            note="the Chat Test Cases are typed, then `/save` and `/quit`",
        )
        for kind in KINDS
    ),
    Step("cat > deployments/cli/prompts.txt", (succeeds, _prompts)),
    Step("while IFS= read -r prompt", (succeeds, answers.batch)),
)

SERVERS = (
    *(
        Step(f"apr serve {model(kind)} --port {port}", (succeeds, answers.listens(port)))
        for kind, port in zip(KINDS, PORTS, strict=True)
    ),
    *(
        Step(f"curl -X POST http://localhost:{port}/v1/completions", (succeeds, answers.completion), needs=("curl",))
        for port in PORTS
    ),
    *(Step(f"curl http://localhost:{port}/health", (succeeds, answers.health), needs=("curl",)) for port in PORTS),
    *(Step(f"curl http://localhost:{port}/v1/models", (succeeds, answers.models), needs=("curl",)) for port in PORTS),
)

BENCHMARKS = (
    *(
        Step(f"apr showcase {model(kind)}", (succeeds, measures.benchmark(f"benchmarks/{kind}-benchmark.json", 10, 2)))
        for kind in KINDS
    ),
    *(Step(f"apr profile {model(kind)}", (succeeds, measures.percentiles)) for kind in KINDS),
    *(
        Step(f"apr trace {model(kind)}", (succeeds, measures.trace(f"benchmarks/{kind}-trace.json", memory=True)))
        for kind in KINDS
    ),
)

COMPARISON = (
    Step("SEED=42", SET),
    Step("PROMPT=", SET),
    *(Step(f"apr run {model(kind)} -p", (succeeds, answers.said(f"/tmp/{kind}-output.txt"))) for kind in KINDS),  # noqa: S108
    Step("diff /tmp/gguf-output.txt /tmp/safetensors-output.txt", (succeeds, answers.no_difference)),
    Step("diff /tmp/safetensors-output.txt /tmp/apr-output.txt", (succeeds, answers.no_difference)),
    *(Step(f"apr trace {model(kind)} -p", (succeeds, measures.trace(f"/tmp/{kind}-trace.json"))) for kind in KINDS),  # noqa: S108
    Step("jq '.first_token.argmax' /tmp/gguf-trace.json", (succeeds, measures.argmax), needs=("jq",)),
    Step("jq '.first_token.argmax' /tmp/safetensors-trace.json", (succeeds, measures.argmax), needs=("jq",)),
    Step(
        "jq '.first_token.argmax' /tmp/apr-trace.json", (succeeds, measures.argmax, measures.same_argmax), needs=("jq",)
    ),
)

SCENARIOS = (
    Step(f"apr run {model('gguf')} -p", (succeeds, answers.says(30), answers.threads(4))),
    Step(f"apr run {model('safetensors')} -p", (refused,), no="refused as promised: no GPU"),
    Step("cd deployments/wasm", (succeeds, _in_wasm)),
    Step(
        "apr rosetta convert ../models/qwen2.5-coder-0.5b.apr qwen2.5-coder-0.5b-wasm.apr --target wasm",
        (
            succeeds,
            formats.smaller("qwen2.5-coder-0.5b-wasm.apr", "../../models/qwen2.5-coder-0.5b.apr"),
            formats.passes("qwen2.5-coder-0.5b-wasm.apr"),
        ),
        before=_linked,
        note="`deployments/models` is a link to `../models`: seen from `deployments/wasm` the models lie in "
        "`../../models`, not in `../models` as the line says",
    ),
    Step(
        "cargo build --target wasm32-unknown-unknown",
        (succeeds, formats.site("pkg", "qwen2.5-coder-0.5b-wasm.apr")),
        instead="apr deploy wasm qwen2.5-coder-0.5b-wasm.apr -o pkg",
        note="the course's own browser demo is not ours to build",
        needs=("npm",),
    ),
    Step(
        "wasm-bindgen target/wasm32-unknown-unknown/release/*.wasm --out-dir pkg",
        (succeeds,),
        instead="test -f pkg/index.html",
        note="`hub deploy wasm` has made `pkg` already",
        needs=("npm",),
    ),
)

TROUBLE = (
    Step(
        "apr import hf://Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        (succeeds, formats.is_served("qwen2.5-0.5b-instruct-q4_k_m.gguf")),
    ),
    Step(
        "apr rosetta convert input.safetensors output.apr --compression zstd",
        (
            succeeds,
            formats.converted("input.safetensors", "output.apr"),
            formats.smaller("output.apr", "input.safetensors"),
        ),
        before=_input,
        note="`input.safetensors` is a copy of the course's model",
    ),
    Step("lsof -i :8001", (succeeds, answers.names_the_server), needs=("lsof",)),
    Step("kill -9 $(lsof -t -i :8001)", (succeeds, answers.is_gone(*PORTS)), _only_ours, needs=("lsof",)),
)

STEPS = ACQUISITION + CLI + SERVERS + BENCHMARKS + COMPARISON + SCENARIOS + TROUBLE


# Commands that running text names without arguments: the lines that they are tried as. Those without a line stand in
# the capstone with their arguments, and are tried there.
NAMED: dict[str, tuple[Step, ...]] = {
    "apr pull": (Step("apr pull hf://Qwen/Qwen2.5-0.5B-Instruct -o pulled", (succeeds, formats.artifacts("pulled"))),),
    "apr run": (),
    "apr chat": (),
    "apr serve": (),
    "apr check": (),
    "apr validate": tuple(Step(f"apr validate {model(kind)}", (succeeds, formats.valid)) for kind in KINDS),
    "apr import": (),
}

# What the text asks for without saying how.
ASKED = (
    Step(
        "apr serve --config deployments/server/config.toml &",
        (succeeds, answers.listens(PORTS[0]), answers.serves_as_configured),
        before=_configured,
        note="the file is the example of [serving.md](serving.md); the killed server's port is free again",
    ),
    Step("apr report benchmarks -o report.md", (succeeds, measures.report, formats.deliverables)),
)
