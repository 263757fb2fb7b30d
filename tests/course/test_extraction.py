"""No line of the course is lost, and hub's parser takes each; without a model, a runtime or a server."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from hashlib import sha256
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from hub.cli import _app, _extensions
from tests.course import document, tree
from tests.course.check import CAPSTONE, LESSONS
from tests.course.scene import ROOT
from tests.course.steps import ASKED, KINDS, NAMED, STEPS

TEXTS = {"lessons": LESSONS, "capstone": CAPSTONE}
# Of the texts as their author wrote them.
DIGESTS = {"lessons": "0059bc0ce687670d", "capstone": "ddc0a69ce0ba4e8f"}
COMMANDS = document.commands(CAPSTONE)


@pytest.mark.parametrize("name", TEXTS)
def test_the_texts_are_the_author_s(name: str) -> None:
    data = (document.HERE / f"{name}.txt").read_bytes()
    assert sha256(data).hexdigest()[:16] == DIGESTS[name]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_blocks_and_what_is_between_them_are_the_whole_text(text: str) -> None:
    lines = text.splitlines(keepends=True)
    inside = {n for b in document.blocks(text) for n in range(b.line, b.line + b.text.count("\n"))}
    outside = [line for n, line in enumerate(lines, 1) if n not in inside]
    fences = [line for line in outside if line.startswith("```")]
    assert len(fences) == 2 * len(list(document.blocks(text)))
    assert all("".join(lines[b.line - 1 :]).startswith(b.text) for b in document.blocks(text))
    assert not [line for line in outside if re.match(r"\s*(apr|curl|jq|diff|cd|mkdir|cat|cargo) ", line)]


def test_the_pieces_of_a_block_are_its_text() -> None:
    shell = [b for b in document.blocks(CAPSTONE) if b.language == "bash"]
    assert len(shell) == CAPSTONE.count("```bash\n") == 22
    for block in shell:
        assert "".join(p.text for p in document.pieces(block)) == block.text


def test_blocks_that_are_no_shell_hold_no_command() -> None:
    others = [b.text for b in document.blocks(CAPSTONE) if b.language != "bash"]
    assert len(others) == 3  # two drawings of folders, and an expected output
    assert not [text for text in others if re.search(r"^ *apr ", text, re.MULTILINE)]


def test_every_line_that_says_apr_is_a_call_or_named() -> None:
    calls = list(document.calls(COMMANDS))
    assert len(calls) == len(re.findall(r"^ *apr ", CAPSTONE, re.MULTILINE)) == 40
    assert len(COMMANDS) == len(STEPS) == 65
    assert set(document.named(CAPSTONE)) | set(document.named(LESSONS)) == NAMED.keys()
    bare = [line for line in re.findall(r".*\bapr [a-z]+.*", LESSONS) if not re.search(r"`apr [a-z]+`", line)]
    assert bare == []


def test_each_command_has_the_step_that_is_meant_for_it() -> None:
    for piece, step in zip(COMMANDS, STEPS, strict=True):
        said = " ".join(piece.text.replace("\\\n", " ").split())
        assert said.startswith(step.begins)
        assert len(step.checks) > 1 or step.no or step.instead or re.match(r"\w+=", said)


def test_bash_reads_each_command_and_no_more() -> None:
    for piece in COMMANDS:
        done = subprocess.run(["bash", "-n"], input=piece.text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_block_that_ends_within_a_command_is_an_error() -> None:
    for cut in ("apr run x \\\n", "while true; do\n  apr run x\n", "cat << 'EOF'\nx\n", "curl -d '{\n"):
        with pytest.raises(ValueError, match="no whole command"):
            list(document.pieces(document.Block("s", "bash", 1, cut)))


def test_a_comment_inside_a_command_belongs_to_it() -> None:
    found = list(document.pieces(document.Block("s", "bash", 1, "# a\n\ncat << E\n# b\nE\nx=1 # c\n")))
    assert [(p.text, p.remark) for p in found] == [
        ("# a\n", True), ("\n", True), ("cat << E\n# b\nE\n", False), ("x=1 # c\n", False),
    ]  # fmt: skip


def brought() -> dict[str, EntryPoint]:
    """The commands of the packages in this checkout, whether they are installed or not."""
    found: dict[str, EntryPoint] = {}
    for file in sorted((ROOT / "plugins").glob("*/pyproject.toml")):
        points = tomllib.loads(file.read_text(encoding="utf-8"))["project"].get("entry-points", {})
        group = "hub.v1.commands"
        found |= {name: EntryPoint(name, value, group) for name, value in points.get(group, {}).items()}
    return found


def parsed(words: list[str]) -> dict[str, Any]:
    """What hub's own parser makes of the words behind `hub`; it raises for those that it does not take."""
    name, *rest = words
    ours = name in _app.COMMANDS
    command = _app._command(name) if ours else _extensions.command(name, brought()[name].load())
    while hasattr(command, "commands"):
        context = command.make_context(name, rest, resilient_parsing=True)
        name, command, rest = command.resolve_command(context, rest)
    return dict(command.make_context(name, rest).params)


CALLS = [words for _, words in document.calls(COMMANDS)]
CALLS += [shlex.split(step.begins)[1:] for steps in NAMED.values() for step in steps]
CALLS += [shlex.split(step.begins.removesuffix("&"))[1:] for step in ASKED]
# Parameters that are not called as their flag.
KEPT_AS = {"trace_output": "output", "target": "place", "json": "as_json"}


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_hub_s_parser_takes_the_line(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deployments" / "wasm").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deployments" / "wasm")
    for word in words:
        if word.endswith(tuple(KINDS)):  # a model that is not there would be the parser's complaint
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
    found = parsed(words)
    flags = [word.lstrip("-").replace("-", "_") for word in words if word.startswith("--")]
    assert all(found[KEPT_AS.get(flag, flag)] not in (None, False) for flag in flags)


def test_what_is_tried_for_a_name_begins_with_it() -> None:
    assert all(step.begins.startswith(f"{name} ") for name, steps in NAMED.items() for step in steps)


def test_the_drawings_are_read() -> None:
    assert [str(p) for p in tree.folders("Project Structure")][-3:] == [
        "capstone/deployments/cli", "capstone/deployments/server", "capstone/deployments/wasm",
    ]  # fmt: skip
    assert len(tree.files("Deployment Artifacts")) == 9
