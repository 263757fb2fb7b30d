from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.errors import DamagedFile
from hub.ir import ENCODINGS, F32, File, Tensor, by_name, concatenated, stacked, widens


def tensor(*shape: int, name: str = "t") -> tuple[Tensor, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    values = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return Tensor.from_bytes(name, shape, F32, values.tobytes()), values


def floats(t: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.frombuffer(t.read(), np.float32).reshape(t.shape)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 4), (2, 0), (0, 5), (2, 3, 4), (2, 1, 3, 2, 2)])
def test_every_shape_holds_its_bytes(shape: tuple[int, ...]) -> None:
    t, values = tensor(*shape)
    assert t.size == values.size
    assert t.nbytes == values.nbytes
    assert t.read() == values.tobytes()
    assert sum(stop - start for start, stop in t.pieces(5)) == (t.rows.n if t.nbytes else 0)


@pytest.mark.parametrize("index", [[2, 0, 1], [1], [0, 0]])
@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 2, 4), (3, 2, 2, 2)])
def test_take_works_along_the_first_dimension(shape: tuple[int, ...], index: Sequence[int]) -> None:
    t, values = tensor(*shape)
    assert np.array_equal(floats(t.take(np.array(index))), values[list(index)])


@pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 3, 4)])
def test_concatenated_and_sliced_is_the_identity(shape: tuple[int, ...]) -> None:
    a, x = tensor(*shape)
    b, y = tensor(*shape)
    whole = concatenated("whole", [a, b])
    assert np.array_equal(floats(whole), np.concatenate([x, y]))
    assert floats(whole.slice(0, shape[0])).tobytes() == x.tobytes()
    assert np.array_equal(floats(stacked("s", [a, b])), np.stack([x, y]))


def test_transposed_is_the_transpose() -> None:
    t, values = tensor(5, 3)
    assert np.array_equal(floats(t.transposed()), values.T)


def test_blocks_move_with_their_rows_and_are_never_cut() -> None:
    q4 = ENCODINGS["Q4_K"]
    data = np.random.default_rng(0).integers(0, 256, (6, 2 * 144), np.uint8)
    t = Tensor.from_bytes("q", (6, 512), q4, data.tobytes())
    assert t.take(np.array([5, 0])).read() == data[[5, 0]].tobytes()
    with pytest.raises(ValueError, match="no transpose"):
        t.transposed()
    with pytest.raises(ValueError, match="cannot be cut"):
        Tensor.from_bytes("row", (256,), q4, data[0, :144].tobytes()).take(np.array([0]))


def test_bytes_that_do_not_fit_the_shape_are_named() -> None:
    with pytest.raises(DamagedFile, match=r"tensor 'w': 48 bytes were expected, 47 are there"):
        Tensor.from_bytes("w", (3, 4), F32, bytes(47))


def test_padded_rows_and_flat_encodings_have_the_sizes_of_the_apr_container() -> None:
    assert ENCODINGS["Q4_K"].size((3, 300)) == 3 * 2 * 144
    assert ENCODINGS["APR_Q4"].size((3, 11)) == 2 * 18
    assert ENCODINGS["APR_Q8"].size((3, 11)) == 4 + 33
    assert ENCODINGS["APR_Q8"].size((0,)) == 0


def test_widening_keeps_values_and_narrowing_is_not_called_widening() -> None:
    assert widens(ENCODINGS["BF16"], F32)
    assert widens(ENCODINGS["Q4_1"], F32)
    assert not widens(ENCODINGS["Q4_1"], ENCODINGS["F16"])
    assert not widens(F32, ENCODINGS["BF16"])
    assert not widens(ENCODINGS["BF16"], ENCODINGS["F16"])


@pytest.mark.parametrize("shape", [(-1, 3), (1.5,), (True, 2), ("3",), (None,)])
def test_what_is_no_shape_is_damage(tmp_path: Path, shape: Any) -> None:
    (tmp_path / "x").write_bytes(bytes(64))
    with pytest.raises(DamagedFile, match="is no shape") as caught:
        Tensor.from_file("a", shape, F32, File(tmp_path / "x"), 0)
    assert caught.value.tensor == "a"


def test_two_tensors_of_one_name_are_damage() -> None:
    a, b = (Tensor.from_bytes(name, (1,), ENCODINGS["U8"], b"x") for name in "ba")
    assert list(by_name([a, b])) == ["b", "a"]
    with pytest.raises(DamagedFile, match="model.x, tensor 'a': holds two tensors of one name"):
        by_name([a, b, b], "model.x")
