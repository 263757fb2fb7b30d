"""docs/registry.md: its commands, run in order, print what the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from registry_house import Server, hub, let_go, write_folder

PAGE = Path(__file__).parents[3] / "docs" / "registry.md"


def masked(text: str) -> list[str]:
    """The lines without what differs from day to day: digests, times, people, and the spaces that follow from them."""
    text = re.sub(r"sha256:[0-9a-f]{64}", "DIGEST", text)
    text = re.sub(r"sha256:[0-9a-f]{12}\b", "SHORT", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"[\w.-]+@[\w.-]+(?=[ ,\n]|$)", "WHO", text)
    return [re.sub(r" +", " ", line).strip() for line in text.strip().splitlines()]


def said(command: str) -> str:
    """What a line of the page prints: a command of hub, perhaps into tail, grep or nowhere."""
    words = shlex.split(command)
    behind = next((n for n, word in enumerate(words) if word in {"|", ">"}), len(words))
    assert words[0] == "hub"
    ran = hub(*words[1:behind])
    let_go()  # as its end does
    lines = ran.out.splitlines(keepends=True)
    match words[behind:]:
        case ["|", "tail", "-1"]:
            lines = lines[-1:]
        case ["|", "grep", word]:
            lines = [line for line in lines if word in line]
        case [">", "/dev/null"]:
            lines = []
        case rest:
            assert rest == []
    return ran.err + "".join(lines)


def test_what_the_page_shows_is_what_happens(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "smollm2")
    write_folder(tmp_path / "better", 5)
    assert hub("convert", "better", "better.apr").code == 0
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ |```).*\n)*)", PAGE.read_text(), re.MULTILINE)
    assert len(steps) == 18
    here = f"127.0.0.1:{server.port}"
    for command, shown in steps:
        found = said(command.replace("localhost:5000", here)).replace(here, "localhost:5000")
        assert masked(found) == masked(shown), command
