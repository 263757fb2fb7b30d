"""Files of the reference library, healthy and harmed: every command has a verdict on each, and none breaks off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Hub = Callable[..., Any]
Document = Callable[..., tuple[int, Any]]

FIXTURES = Path(__file__).parents[2] / "plugins" / "apr" / "tests" / "fixtures"
FILES = sorted(FIXTURES.rglob("*.apr"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(FIXTURES)))
def test_every_file_is_judged(hub: Hub, document: Document, path: Path) -> None:
    verdicts = {document(command, path)[0] for command in ("check", "validate")}
    assert verdicts <= {0, 1}
    for command in ("inspect", "tensors"):
        ran = hub(command, path, "--json")
        if ran.code:
            assert (ran.code, ran.out) == (2, "")
            assert ran.err.startswith(f"hub: error: {path}")
            assert ran.err.count("\n") == 1
        else:
            assert document(command, path)[0] == 0


def test_all_of_them_are_there() -> None:
    assert len(FILES) > 100


@pytest.mark.parametrize("path", sorted((FIXTURES / "reject").iterdir()), ids=lambda p: p.name)
def test_what_the_reference_rejects_fails_the_check(document: Document, path: Path) -> None:
    code, said = document("check", path)
    assert (code, said["outcome"]) == (1, "FAIL")


def test_a_classic_model_is_shown(hub: Hub, document: Document) -> None:
    code, said = document("inspect", FIXTURES / "v1_full_metadata.apr")
    assert (code, said["architecture"], said["tensor_count"]) == (0, "MixtureOfExperts", 0)
    assert said["metadata"]["distillation"] == "teacher-hash"
    assert any("shown and not converted" in note for note in said["notes"])
    assert "compression: none" in hub("inspect", FIXTURES / "v1_full_metadata.apr").out


def test_a_file_of_random_numbers_is_invalid(document: Document) -> None:
    """A demonstration file of the wild whose values are random bytes, some of them NaN."""
    code, said = document("validate", FIXTURES / "real" / "sample-mlp.apr")
    assert code == 1
    assert {c["name"] for c in said["checks"] if c["outcome"] == "FAIL"} == {"nan"}
