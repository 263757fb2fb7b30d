"""Formats that are wrong on purpose: each is caught by the test that is there for its fault, and by no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub_conformance.runner import Verdict, Wanted, run

VECTORS = ("native", "llama-bpe", "llama-spm-tied", "special-blocks", "companion-files", "encoding-q4_k")
ALONE = (
    "test_plugin_loads", "test_members*", "test_declarations*", "test_model_is_left*",
    "test_declared_losses*", "test_found_under*", "test_claims*", "test_findings*", "test_truncation*", "test_damage*",
    "test_validate_raises*", "test_foreign*", "test_no_*", "test_nothing*", "test_plan*",
)  # fmt: skip
TESTS = (*(f"test_*[{name}]" for name in VECTORS), *ALONE)
MEMORY = "test_memory_is_bounded"

FAULTS = [
    ("drops the last tensor", {"test_tensors_come_back"}),
    ("swaps bytes", {"test_tensors_come_back"}),
    ("transposes", {"test_tensors_come_back"}),
    ("claims an encoding", {"test_tensors_come_back"}),
    ("loses the tokenizer", {"test_tokenizer_comes_back"}),
    ("loses the configuration", {"test_config_comes_back"}),
    ("rounds the configuration", {"test_config_comes_back"}),
    ("loses the files", {"test_files_come_back"}),
    ("loses the ties", {"test_ties_come_back"}),
    ("refuses", {"test_written_and_read_back"}),
    ("lies about drops", {"test_declared_losses_happen"}),
    ("names an unknown word", {"test_declarations_use_known_words"}),
    ("writes the time", {"test_two_writes_are_equal", "test_another_day_writes_the_same"}),
    ("writes the day", {"test_another_day_writes_the_same"}),
    ("claims foreign files", {"test_claims_nothing_foreign", "test_claims_nothing_of_its_peers"}),
    ("ignores truncation", {"test_truncation_is_noticed"}),
    ("finds fault with what it wrote", {"test_what_it_writes_is_valid"}),
    ("writes while it plans", {"test_plan_touches_no_disk"}),
    ("writes beside its target", {"test_nothing_written_elsewhere"}),
    ("opens a socket", {"test_no_network"}),
    ("runs a program", {"test_no_exec"}),
    ("unpickles", {"test_no_exec"}),
    ("hangs", {"test_written_and_read_back"}),
    ("crashes", {"test_what_it_writes_is_valid"}),
    ("raises at import", {"test_plugin_loads"}),
]


def judged(*tests: str, limit: float | None = None) -> Verdict:
    return run(["sound"], Wanted(tests, peers=(), limit=limit))[0]


def failing(verdict: Verdict) -> set[str]:
    return {result.function for result in verdict.bad}


@pytest.mark.usefixtures("sound")
def test_the_sound_format_is_conformant() -> None:
    verdict = run(["sound"], Wanted())[0]
    assert verdict.conformant, verdict.bad
    assert verdict.counts["disabled"] == 0


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[fault for fault, _ in FAULTS])
def test_a_fault_is_caught_by_its_test(fault: str, expected: set[str], sound: Callable[[str], None]) -> None:
    sound(fault)
    days = ["test_another_day*"] if fault.startswith("writes the ") else []  # another process, which takes its time
    verdict = judged(*TESTS, *days, limit=8 if fault == "hangs" else None)  # what hangs ends by the limit alone
    assert not verdict.conformant
    assert failing(verdict) == expected, verdict.bad
    assert {result.outcome for result in verdict.bad} == {"FAIL"}


def test_reading_all_of_a_large_file_is_caught(sound: Callable[[str], None]) -> None:
    assert not judged(MEMORY).bad
    sound("reads all")
    bad = judged(MEMORY).bad
    assert [result.function for result in bad] == [MEMORY]
    assert "MemoryError" in bad[0].reason or "MiB more memory" in bad[0].reason


def test_errors_that_are_no_hub_errors_are_caught(sound: Callable[[str], None]) -> None:
    sound("raises what it likes")
    assert "test_damage_is_a_hub_error" in failing(judged(*TESTS))
