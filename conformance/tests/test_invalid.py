"""The vectors of invalid files: complete, as the script makes them, and able to catch a careless reader."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.interface import Stage
from hub_conformance.suite._faults import INVALID, NONE, faults, table
from hub_conformance.suite._invalid import too_much, wrong_error, wrong_stage
from hub_conformance.suite._trial import Trial, trials

ROOT = Path(__file__).parents[2]
FORMATS = ["apr", "gguf", "safetensors"]
CHOSEN = ("valid-whole.gguf", "version-4.gguf", "tensors-2-to-the-63.gguf", "shape-overflows-to-0.gguf")

Try = Callable[..., dict[str, Trial]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Trial]]:
    """What our formats make of every vector."""
    folder = tmp_path_factory.mktemp("invalid")
    return {f: trials(f, {n: v.place(f, folder / f) for n, v in table(f).items()}, folder) for f in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
def test_our_formats_give_exactly_what_the_table_says(name: str, seen: dict[str, dict[str, Trial]]) -> None:
    for file, fault in table(name).items():
        trial = seen[name][file]
        assert not [*wrong_stage(fault, trial), *wrong_error(fault, trial), *too_much(fault, trial)]
        assert trial.error[:1] == ((fault.error,) if fault.error else ()), (file, trial)


@pytest.mark.parametrize("name", FORMATS)
def test_there_are_enough_of_every_stage(name: str) -> None:
    rows = [fault for fault in table(name).values() if not fault.valid]
    assert len(rows) >= 40
    wanted = {str(stage) for stage in Stage} - {"inference"} - ({"checksum"} if name != "apr" else set())
    assert wanted | {"nan", "inf"} <= {fault.stage for fault in rows}
    assert len({fault.fault for fault in rows}) == len(rows)


@pytest.mark.parametrize("name", FORMATS)
def test_every_file_is_in_the_table_and_small(name: str) -> None:
    files = {path.name: path.stat().st_size for path in (INVALID / name).iterdir() if path.name != "faults.json"}
    assert files.keys() == table(name).keys()
    assert max(files.values()) < 32 << 10


def test_the_script_makes_just_these_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "conformance.scripts.invalid", "--into", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for name in FORMATS:
        made = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        assert made == {path.name: path.read_bytes() for path in (INVALID / name).iterdir()}


def test_a_format_without_vectors_declares_so() -> None:
    assert faults("npz") == [NONE]


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Try:
    """Lets the careless reader, with a fault, look at vectors of GGUF."""

    def look(fault: str, *files: str) -> dict[str, Trial]:
        paths = [str(Path(__file__).parent / "formats"), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
        monkeypatch.setenv("HUB_DISABLE_PLUGINS", "gguf")
        monkeypatch.setenv("HUB_PLUGINS", "careless")
        monkeypatch.setenv("CARELESS_FAULT", fault)
        return trials("gguf", {name: INVALID / "gguf" / name for name in files or CHOSEN}, tmp_path)

    return look


def failing(found: dict[str, Trial]) -> dict[str, set[str]]:
    """By file, the tests that fail for it."""
    tests = (wrong_stage, wrong_error, too_much)
    every = {name: {t.__name__ for t in tests if t(table("gguf")[name], trial)} for name, trial in found.items()}
    return {name: failed for name, failed in every.items() if failed}


def test_a_careful_reader_passes(careless: Try) -> None:
    assert failing(careless("")) == {}


@pytest.mark.parametrize(
    ("fault", "caught"),
    [
        ("accepts everything", {"wrong_stage", "wrong_error"}),
        ("blames the magic", {"wrong_stage"}),
        ("needs memory", {"too_much"}),
        ("believes the file", {"wrong_error"}),
        ("raises its own", {"wrong_error"}),
        ("raises in validate", {"wrong_stage", "wrong_error", "too_much"}),
        ("crashes", {"wrong_stage", "wrong_error", "too_much"}),
    ],
)
def test_a_careless_reader_is_caught(fault: str, caught: set[str], careless: Try) -> None:
    assert failing(careless(fault)) == dict.fromkeys(CHOSEN[1:], caught)


def test_the_wrong_error_is_caught(careless: Try) -> None:
    assert failing(careless("calls it unsupported")) == {name: {"wrong_error"} for name in CHOSEN[2:]}


def test_a_reader_that_hangs_is_stopped_and_the_others_go_on(careless: Try) -> None:
    found = careless("hangs", "version-4.gguf", "valid-whole.gguf")
    assert failing(found).keys() == {"version-4.gguf"}
    assert "more than 5 s" in found["version-4.gguf"].broke
