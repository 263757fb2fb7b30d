"""`hub rosetta compare-inference`: what `hub compare` says of two models, under the flags of the course."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub_runtime.engine import load

COMMAND = ("rosetta", "compare-inference")


def test_two_formats_agree_and_it_is_what_compare_says(judged: Any, tiny: Path, tiny_apr: Path) -> None:
    flags = ("--prompt", "2+2=", "--max-tokens", 5)
    code, found = judged("compare", *COMMAND, tiny, tiny_apr, *flags, "--temperature", 0, "--tolerance", 0.1)
    (one,) = found["comparisons"]
    assert (code, found["passed"], len(one["prompts"][0]["ours"])) == (0, True, 5)
    assert [a["name"] for a in one["assertions"]] == ["agreement"]
    assert one["assertions"][0]["limit"] == 0.9
    both = [judged("compare", *command, tiny, tiny_apr, *flags)[1] for command in (COMMAND, ("compare",))]
    for document in both:
        document.pop("host")
        for side in (document["reference"], *(c["model"] for c in document["comparisons"])):
            side.update(load_ms=0, bridge_ms=0)
    assert both[0] == both[1]


def test_an_answer_that_ends_early_is_not_the_same(judged: Any, edited: Any, tiny: Path) -> None:
    """The shorter answer is a beginning of the longer one: what both have is equal, and they are not."""
    with load(tiny, gpu_layers=0) as model:
        eos = model.vocab.eos
    code, whole = judged("compare", *COMMAND, tiny, tiny, "-p", "abc", "-n", 6, "--raw")
    ours = whole["comparisons"][0]["prompts"][0]["ours"]
    later = next(t for t in ours[1:] if t != ours[0])

    def ends(weights: Any) -> Any:
        weights = weights.copy()
        weights[eos] = weights[later] * np.float32(1.0001)
        return weights

    code, found = judged(
        "compare", *COMMAND, tiny, edited("ends", {"output.weight": ends}), "-p", "abc", "-n", 6, "--raw"
    )
    prompt = found["comparisons"][0]["prompts"][0]
    place = ours.index(later)
    assert prompt["other"][:place] == ours[:place]
    assert prompt["other"][place:] != ours[place:]
    assert (code, found["passed"], prompt["first_difference"]) == (1, False, place)


def test_a_tolerance_allows_for_so_much_and_no_more(judged: Any, edited: Any, tiny: Path) -> None:
    other = edited("reversed", {"output.weight": lambda w: w[::-1]})
    arguments = (*COMMAND, tiny, other, "-p", "abc", "-n", 8, "--tolerance")
    agreement = judged("compare", *arguments, 0)[1]["comparisons"][0]["agreement"]
    assert agreement < 1
    assert judged("compare", *arguments, min(1, 1 - agreement + 0.01))[0] == 0
    assert judged("compare", *arguments, 1 - agreement - 0.01)[0] == 1


def test_control_characters_stay_json(hub: Any, tiny: Path) -> None:
    ran = hub(*COMMAND, tiny, tiny, "-p", 'a\x00\x1b"\\', "-n", 3, "--json")
    assert json.loads(ran.out)["comparisons"][0]["prompts"][0]["prompt"] == 'a\x00\x1b"\\'


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--temperature", 0.7), "greedy answers are compared"),
        (("--tolerance", 2), "2.0 is not in the range"),
        (("--max-tokens", 0), "0 is not in the range"),
    ],
)
def test_what_cannot_be_is_refused(hub: Any, tiny: Path, flags: tuple[object, ...], said: str) -> None:
    ran = hub(*COMMAND, tiny, tiny, *flags)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
