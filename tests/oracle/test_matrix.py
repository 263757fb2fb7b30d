"""Every architecture both ways against llama.cpp's own convert script and transformers' own numbers."""

from pathlib import Path

import pytest

from tests.oracle import compare
from tests.oracle.cases import CASES, Case

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("default")]

Matrix = tuple[Path, dict[str, str]]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
written = pytest.mark.parametrize("case", [c for c in CASES if not c.unwritten], ids=lambda case: case.name)


@every_case
def test_script_writes_every_case_but_the_known_ones(case: Case, matrix: Matrix) -> None:
    assert (case.name in matrix[1]) == bool(case.unwritten), matrix[1].get(case.name)


@written
def test_folder_from_the_scripts_file_gives_the_same_logits(case: Case, matrix: Matrix) -> None:
    found = compare.backward(case, matrix[0] / case.name)
    assert not found.error
    if case.lost:
        assert found.difference, "nothing is lost here: the case has no point"
        assert all(any(key in note for note in found.notes) for key in case.lost), found.notes
    else:
        assert found.difference == 0.0


@written
def test_file_equals_the_scripts_tensor_for_tensor_and_key_for_key(case: Case, matrix: Matrix) -> None:
    found = compare.forward(case, matrix[0] / case.name)
    assert not found.error
    assert found.tensors == []
    assert found.keys == []


@every_case
@pytest.mark.parametrize("via", [".gguf", ".apr"])
def test_folder_comes_back_byte_for_byte(case: Case, via: str, matrix: Matrix) -> None:
    assert compare.there_and_back(case, matrix[0] / case.name, via) == []
