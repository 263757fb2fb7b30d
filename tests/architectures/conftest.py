"""Names and shapes as transformers 5 wrote them for the tiny models of `tests/oracle/cases.py`, with their configs."""

import json
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]


@pytest.fixture(scope="session")
def cases() -> dict[str, Case]:
    """By case name: `config`, and `tensors` name -> shape."""
    loaded: dict[str, Case] = json.loads((Path(__file__).parent / "transformers.json").read_text())
    return loaded
