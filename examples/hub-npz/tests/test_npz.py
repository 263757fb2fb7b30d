"""The format npz against NumPy's own reader and writer, and on damaged files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.errors import DamagedFile, HubError, UnsupportedFile
from hub.ir import ENCODINGS, Config, Model, Tensor
from hub.pipeline import Budget, Copier, Silent, Target
from hub_npz import DTYPES, Npz


def written(path: Path, model: Model) -> Path:
    fmt = Npz()
    options: Any = None
    with Target(path, Copier(Budget(1, 1 << 20), Silent()), folder=False, overwrite=False) as target:
        fmt.write(fmt.plan(model, options), target, options)
        target.commit()
    return path


ARRAYS = {
    "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "scalar": np.array(2.5), "no": np.zeros((0, 3), "<f2"),
    "deep": np.arange(32, dtype=np.int8).reshape(2, 2, 2, 2, 2), "yes": np.array([True, False]),
    "ünï/code": np.array([1 + 2j], np.complex64), "n" * 1000: np.array([7], np.uint64),
}  # fmt: skip


def tensors() -> dict[str, Tensor]:
    names = {descr: name for name, descr in DTYPES.items()}
    return {n: Tensor.from_bytes(n, a.shape, ENCODINGS[names[a.dtype.str]], a.tobytes()) for n, a in ARRAYS.items()}


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    path = written(tmp_path / "m.npz", Model(tensors(), Config({"model_type": "x"})))
    with np.load(path, allow_pickle=False) as loaded:
        assert set(loaded.files) == {*ARRAYS, "hub.jsonl"}
        for name, array in ARRAYS.items():
            assert loaded[name].dtype == array.dtype
            assert np.array_equal(loaded[name], array)
        assert b'"model_type": "x"' in loaded["hub.jsonl"].tobytes()


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_what_numpy_writes_is_read(tmp_path: Path, version: tuple[int, int]) -> None:
    path = tmp_path / "m.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in ARRAYS.items():
            np.lib.format.write_array(member := io.BytesIO(), array, version=version, allow_pickle=False)
            archive.writestr(f"{name}.npy", member.getvalue())
    assert Npz().sniff(path, path.read_bytes()[:4096])
    model = Npz().read(path)
    assert model.naming == "native"
    assert {n: (t.shape, t.read()) for n, t in model.tensors.items()} == {
        n: (a.shape, a.tobytes()) for n, a in ARRAYS.items()
    }


REFUSED: dict[str, Callable[[Path], None]] = {
    "compressed": lambda path: np.savez_compressed(path, a=np.zeros(3)),
    "objects": lambda path: np.savez(path, a=np.array([{}, "x"], object)),
    "big-endian": lambda path: np.savez(path, a=np.zeros(3, ">f4")),
    "by columns": lambda path: np.savez(path, a=np.zeros((3, 2), order="F")),
    "texts": lambda path: np.savez(path, a=np.array(["x"])),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_arrays_of_numpy_are_refused(tmp_path: Path, kind: str) -> None:
    REFUSED[kind](tmp_path / "m.npz")
    with pytest.raises(UnsupportedFile) as caught:
        Npz().read(tmp_path / "m.npz")
    assert caught.value.tensor == "a"


def test_a_vector_has_no_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", a=np.asfortranarray(np.arange(3.0)))
    assert Npz().read(tmp_path / "m.npz").tensors["a"].shape == (3,)


def test_a_zip_of_something_else_is_not_claimed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
        archive.writestr("a.npy", b"")
    assert not Npz().sniff(tmp_path / "m.pt", (tmp_path / "m.pt").read_bytes())
    assert not Npz().sniff(tmp_path, b"")


def test_damage_around_the_values_is_an_error_or_changes_nothing(tmp_path: Path) -> None:
    small = {"a.weight": tensors()["a.weight"]}
    good = written(tmp_path / "m.npz", Model(small)).read_bytes()
    values, path = small["a.weight"].read(), tmp_path / "bad.npz"
    start = good.index(values)
    for at in [*range(start), *range(start + len(values), len(good))]:
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        try:
            found = {n: t.read() for n, t in Npz().read(path).tensors.items()}
        except HubError:
            continue
        assert found == {"a.weight": values}, at


def test_a_cut_file_is_damaged(tmp_path: Path) -> None:
    good = written(tmp_path / "m.npz", Model(tensors())).read_bytes()
    for size in range(0, len(good), 97):
        (tmp_path / "cut.npz").write_bytes(good[:size])
        with pytest.raises(DamagedFile):
            Npz().read(tmp_path / "cut.npz")


def test_two_members_of_one_name_are_damage(tmp_path: Path) -> None:
    np.save(member := io.BytesIO(), np.zeros(3))
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("a.npy", member.getvalue())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", member.getvalue())
    with pytest.raises(DamagedFile, match="tensor 'a': holds two tensors of one name"):
        Npz().read(tmp_path / "m.npz")
