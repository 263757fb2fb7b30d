"""Every architecture both ways against llama.cpp's own convert script and transformers' own numbers."""

from pathlib import Path

import numpy as np
import pytest

from hub.interface import Options
from hub.pipeline import Request, convert
from tests.oracle import compare, factory, script
from tests.oracle.case import Case
from tests.oracle.cases import CASES

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("default")]

Matrix = tuple[Path, dict[str, str]]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
written = pytest.mark.parametrize("case", [c for c in CASES if not c.unwritten], ids=lambda case: case.name)


@every_case
def test_script_writes_every_case_but_the_known_ones(case: Case, matrix: Matrix) -> None:
    assert (case.name in matrix[1]) == bool(case.unwritten), matrix[1].get(case.name)


@written
def test_folder_from_the_scripts_file_gives_the_same_logits_and_tokens(case: Case, matrix: Matrix) -> None:
    found = compare.backward(case, matrix[0] / case.name)
    assert not found.error
    assert found.tokens == []
    if case.lost:
        assert found.difference, "nothing is lost here: the case has no point"
        assert all(any(key in note for note in found.notes) for key in case.lost), found.notes
    else:
        assert found.difference == 0.0


@pytest.fixture(scope="module")
def again(matrix: Matrix, sources: Path) -> dict[str, str | None]:
    """The script run on the folders that we make of its files: `again.gguf`, or what it says against them."""
    cases = [c for c in CASES if c.name not in matrix[1]]
    jobs = []
    for case in cases:
        folder = matrix[0] / case.name
        convert(Request(folder / "script.gguf", folder / "made", to="safetensors"))
        outtype = "f32" if case.dtype == "float32" else "auto"
        jobs.append((folder / "made", folder / "again.gguf", outtype, case.told))
    return dict(zip([c.name for c in cases], script.convert(jobs, sources), strict=True))


@written
def test_script_writes_its_own_file_again_from_our_folder(
    case: Case, matrix: Matrix, again: dict[str, str | None]
) -> None:
    """All that the script reads is in a folder made of its GGUF alone, the card's keys aside."""
    if case.files == "gpt2 class":
        pytest.skip("the script takes no Phi without tokenizer.model unless tokenizer_class is GPT2Tokenizer")
    assert again[case.name] is None
    ours, theirs = (compare.read_gguf(matrix[0] / case.name / f"{name}.gguf") for name in ("again", "script"))
    assert sorted(ours.tensors) == sorted(theirs.tensors)
    tensors = {name: ours.tensors[name] for name in theirs.tensors}  # shards are put together in another order
    assert list(compare.tensor_differences(tensors, theirs.tensors)) == []
    keys = ({k: v for k, v in g.keys.items() if not k.startswith("general.")} for g in (ours, theirs))
    assert list(compare.key_differences(*keys)) == []


@written
def test_file_equals_the_scripts_tensor_for_tensor_and_key_for_key(case: Case, matrix: Matrix) -> None:
    found = compare.forward(case, matrix[0] / case.name)
    assert not found.error
    assert found.tensors == []
    assert found.keys == []


@pytest.mark.llama
@pytest.mark.parametrize("case", [c for c in CASES if c.unwritten], ids=lambda case: case.name)
def test_llama_cpp_runs_what_the_script_cannot_write(case: Case, matrix: Matrix, tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    target = tmp_path / "ours.gguf"
    convert(Request(matrix[0] / case.name / "hf", target, options=Options(pre=case.pre)))
    model = llama_cpp.Llama(str(target), n_ctx=256, n_threads=1, logits_all=True, verbose=False)
    ids = factory.prompt(case, model.n_vocab())[0].tolist()
    model.eval(ids)
    theirs = np.array(model.scores[: len(ids)], np.float64)
    ours = factory.logits(case, matrix[0] / case.name / "hf")[0].numpy().astype(np.float64)
    cosines = (ours * theirs).sum(-1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(theirs, axis=-1)
    assert cosines.min() > 0.9999


@every_case
@pytest.mark.parametrize("via", [".gguf", ".apr"])
def test_folder_comes_back_byte_for_byte(case: Case, via: str, matrix: Matrix) -> None:
    assert compare.there_and_back(case, matrix[0] / case.name, via) == []
