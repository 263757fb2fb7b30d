"""The promises can be broken: each check takes what the course shows, and refuses what is a little off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.course import answers, formats, measures, model, steps
from tests.course.check import Check, succeeds
from tests.course.page import page
from tests.course.performance import FAILS, Row
from tests.course.scene import Scene, Seen

STAGES = (
    "Magic bytes", "Header", "Metadata", "Tensor index", "Data alignment", "Checksum", "Tokenizer", "Configuration",
    "Architecture", "Inference",
)  # fmt: skip
CHECKED = "".join(f"{n:2}.  {stage:<14}  PASS  at 64\n" for n, stage in enumerate(STAGES, 1)) + "PASS: 10 passed\n"
LATENCIES = """                  P50    P95    P99
first token, ms       1.0    2.0   3.5
further token, ms    0.10   0.20  0.30
"""
COMPLETION = {
    "id": "1", "object": "text_completion", "created": 1, "model": "m",
    "choices": [{"text": "a", "index": 0, "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
}  # fmt: skip
MODELS = {"object": "list", "data": [{"id": "qwen2.5-coder-0.5b", "object": "model"}]}
EXPECTED = "".join(f"{label}: {value}\n" for label, value in formats.expected_output().items())
OURS = EXPECTED.replace("494M", "4.9M").replace("151,936", f"{model.TOKENS:,}").replace(": 24", f": {model.LAYERS}")
OURS = OURS.replace(": 896", f": {model.HIDDEN}").replace(": 14", f": {model.HEADS}")
NO_GPU = f"hub: error: {steps.NO_GPU}: hub runtime install --backend cuda builds one that can\n"


def seen(out: str = "", err: str = "", code: int = 0, folder: Path = Path()) -> Seen:
    scene: Any = None  # of no interest to the checks below
    kept: Scene = scene
    return Seen("", code, out, err, folder, Path(), kept)


KEPT: list[tuple[Check, Seen]] = [
    (succeeds, seen()),
    (formats.ten_stages, seen(CHECKED)),
    (formats.aligned_and_summed, seen(CHECKED)),
    (formats.as_expected, seen(OURS + "Tensors: 26\n")),
    (formats.valid, seen("note\nVALID: 12 of 12\n")),
    (measures.percentiles, seen(LATENCIES)),
    (answers.says(3), seen("text\n", "25 + 3 tokens (length)\n")),
    (answers.completion, seen(json.dumps(COMPLETION))),
    (answers.models, seen(json.dumps(MODELS))),
    (answers.no_difference, seen()),
    (steps.refused, seen(err=NO_GPU, code=2)),
]
OFF: list[tuple[Check, Seen]] = [
    (succeeds, seen(code=1)),
    (formats.ten_stages, seen(CHECKED.replace("PASS  at 64\nPASS:", "FAIL  at 64\nPASS:"))),
    (formats.ten_stages, seen(CHECKED.replace(" 6.  Checksum        PASS  at 64\n", ""))),
    (formats.ten_stages, seen(CHECKED.replace("Tokenizer", "Weights  "))),
    (formats.ten_stages, seen(CHECKED.replace("Inference       PASS", "Inference       SKIP"))),
    (formats.ten_stages, seen(CHECKED.replace("PASS: 10", "FAIL: 10"))),
    (formats.aligned_and_summed, seen(CHECKED.replace("alignment  PASS  at 64", "alignment  PASS  at 32"))),
    (formats.aligned_and_summed, seen(CHECKED.replace("Checksum        PASS", "Checksum        SKIP"))),
    (formats.as_expected, seen(EXPECTED)),
    (formats.as_expected, seen(OURS.replace("Q4_K_M", "Q4_K"))),
    (formats.as_expected, seen("".join(reversed(OURS.splitlines(keepends=True))))),
    (formats.valid, seen("VALID: 12\nINVALID: 1\n")),
    (measures.percentiles, seen(LATENCIES.replace("3.5", "1.5"))),
    (measures.percentiles, seen(LATENCIES.replace("P99", "P90"))),
    (answers.says(2), seen("text\n", "25 + 3 tokens (length)\n")),
    (answers.says(3), seen("\n", "25 + 3 tokens (length)\n")),
    (answers.says(3), seen("text\n")),
    (answers.completion, seen(json.dumps(COMPLETION | {"object": "chat.completion"}))),
    (answers.completion, seen(json.dumps(COMPLETION | {"choices": []}))),
    (answers.completion, seen(json.dumps(COMPLETION | {"usage": COMPLETION["usage"] | {"total_tokens": 4}}))),  # type: ignore[operator]
    (answers.models, seen(json.dumps(MODELS | {"data": []}))),
    (answers.no_difference, seen("1c1\n")),
    (steps.refused, seen("an answer", NO_GPU, 2)),
    (steps.refused, seen(err=NO_GPU, code=1)),
    (steps.refused, seen(err="hub: error: no\n", code=2)),
]


@pytest.mark.parametrize(("check", "ran"), KEPT, ids=[f"{n}-{c.says[:40]}" for n, (c, _) in enumerate(KEPT)])
def test_a_promise_that_is_kept_passes(check: Check, ran: Seen) -> None:
    check.holds(ran)


@pytest.mark.parametrize(("check", "ran"), OFF, ids=[f"{n}-{c.says[:40]}" for n, (c, _) in enumerate(OFF)])
def test_a_promise_that_is_not_kept_is_seen(check: Check, ran: Seen) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check.holds(ran)


FILES: dict[str, tuple[Callable[[str, str], Check], bytes, bytes, bool]] = {
    "smaller": (formats.smaller, b"1", b"12", True),
    "as large": (formats.smaller, b"12", b"12", False),
}


@pytest.mark.parametrize(("make", "first", "second", "kept"), FILES.values(), ids=FILES)
def test_sizes_are_compared(
    make: Callable[[str, str], Check], first: bytes, second: bytes, kept: bool, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(first)
    (tmp_path / "b").write_bytes(second)
    if kept:
        make("a", "b").holds(seen(folder=tmp_path))
    else:
        with pytest.raises(AssertionError):
            make("a", "b").holds(seen(folder=tmp_path))


def test_the_page_says_what_fails_and_keeps_its_columns() -> None:
    rows = [
        Row("capstone", "1.1", 3, "a \\\n    b | c\n", "works", ("exit code 0",)),
        Row("capstone", "1.1", 5, "while x; do\n    y\ndone\n", FAILS, ("it is so",), note="a note"),
    ]
    lines = page(rows).splitlines()
    assert "2 lines: 1 works, 1 FAILS." in lines
    assert "| 3 | `a b \\| c` | works | exit code 0 |" in lines
    assert "| 5 | `while x; do`<br>`y`<br>`done` | FAILS | it is so; *a note* |" in lines
