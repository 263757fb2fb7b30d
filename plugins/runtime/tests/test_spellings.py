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
        'chat MODEL --system "You are helpful." --temperature 0.7 --top-p 0.9 --max-tokens 8',
        'embed MODEL "Hello" --pooling mean --json',
        "cache ls --json",
    ],
)
def test_a_line_runs_as_written(
    hub: Callable[..., Any], tiny: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("/quit\n"))
    ran = hub(*(str(tiny) if word == "MODEL" else word for word in shlex.split(line)))
    assert ran.code == 0, ran
