"""Command lines as others write them."""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("llama")


@pytest.mark.parametrize(
    "line",
    [
        'run MODEL "What is 2+2?" --max-tokens 8',
        'run MODEL -p "What is 2+2?" -n 8',
        'run MODEL --prompt "What is 2+2?" --max-tokens 8 --temperature 0 --seed 42',
        'run MODEL -p "Hello" --max-tokens 8 --temperature 0.7 --top-p 0.9 --top-k 40 --min-p 0.05 --threads 2',
        'run MODEL -p "Hello" --max-tokens 8 --stream --quiet',
        'run MODEL -p "Hello" --max-tokens 8 --no-gpu --repeat-penalty 1.1 --stop END --ctx 256',
        'run MODEL -p "Hello" --max-tokens 8 --json',
        'run MODEL -p "Hello" -n 8 --context-length 300 --gpu-layers 0',
        'run MODEL -p "Hello" -n8 -t1 -c 300 -ngl 0 --temp 0.5 -s 3 -r END -sys "Be brief."',
        'run MODEL -p "Hello" -n 8 --cpu --json-schema \'{"type": "boolean"}\'',
        "run MODEL -p Hello -n 8 --repeat-penalty 1.1 --repeat-last-n 16 -ngl auto",
        'run MODEL -p Hello -n 8 --grammar \'root ::= "yes" | "no"\'',
        "run MODEL --batch-jsonl PROMPTS -n 2",
        "bench MODEL --warmup 1 --iterations 1 --max-tokens 2 --prompt Hi --json",
        "showcase MODEL --iterations 1 --warmup 1 --output OUT.json -n 2",
        'profile MODEL --prompt "Hello" --max-tokens 2 --iterations 2',
        "profile MODEL --warmup 1 --measure 1 --tokens 2 --assert-p99 60000 --assert-throughput 0 -o OUT.svg",
        'trace MODEL -p "The answer is" --trace-output OUT.json --memory-profile',
        "trace MODEL -p Test --reference MODEL",
        "compare MODEL MODEL -p Test --tokens 2 -c 300",
        'chat MODEL --system "You are helpful." --temperature 0.7 --top-p 0.9 --max-tokens 8',
        'embed MODEL "Hello" --pooling mean --json',
        "cache ls --json",
    ],
)
def test_a_line_runs_as_written(
    hub: Callable[..., Any], tiny: Path, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("/quit\n"))
    monkeypatch.chdir(tmp_path)
    Path("PROMPTS").write_text('{"prompt": "Hi", "repeat_last_n": 3, "repeat_penalty": 1.2}\n')
    ran = hub(*(str(tiny) if word == "MODEL" else word for word in shlex.split(line)))
    assert ran.code == 0, ran


# Options with several spellings, and a value of each.
SPELLINGS = {
    "8": ("--max-tokens", "--n-predict", "--predict", "--tokens", "-n"),
    "0.5": ("--temperature", "--temp"),
    "7": ("--seed", "-s"),
    "a": ("--stop", "--reverse-prompt", "-r"),
    "1": ("--threads", "-t"),
    "300": ("--ctx", "--ctx-size", "--context-length", "-c"),
    "0": ("--gpu-layers", "--n-gpu-layers", "-ngl"),
    '{"type": "null"}': ("--json-schema", "--json-schema-file", "-j"),
}


@pytest.mark.parametrize(("value", "spellings"), SPELLINGS.items())
def test_spellings_mean_the_same_and_the_help_shows_them(
    hub: Callable[..., Any], document: Callable[..., Any], tiny: Path, value: str, spellings: tuple[str, ...]
) -> None:
    shown = hub("run", "--help").out
    assert all(spelling in shown for spelling in spellings)
    found = [document("run", "run", tiny, "-p", "Hi", spelling, value) for spelling in spellings]
    plain = document("run", "run", tiny, "-p", "Hi")
    for one in (*found, plain):
        one.pop("timing")
        if value != "7":
            one.pop("seed")
    if value != "0.5":  # what is drawn differs
        assert all(one == found[0] for one in found)
    assert {one["settings"]["temperature"] for one in found} == {0.5 if value == "0.5" else 0}
    if value not in ("a", "0", "1"):  # those change nothing that is reported, on every machine
        assert found[0] != plain
