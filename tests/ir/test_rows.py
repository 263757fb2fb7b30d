from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import DamagedFile
from hub.ir import Change, File, FileRows, Index, MemoryRows, Rows, joined, transposed


def stored(path: Path, n: int, width: int) -> tuple[FileRows, np.ndarray[tuple[int, int], np.dtype[np.uint8]]]:
    data = np.random.default_rng(n * width).integers(0, 256, (n, width), np.uint8)
    path.write_bytes(b"head" + data.tobytes() + b"tail")
    return FileRows(File(path), 4, n, width), data


@pytest.fixture
def rows(tmp_path: Path) -> tuple[FileRows, np.ndarray[tuple[int, int], np.dtype[np.uint8]]]:
    return stored(tmp_path / "rows", 60, 7)


def permutation(seed: int, n: int) -> Index:
    return np.random.default_rng(seed).permutation(n).astype(np.int64)


def test_reads_any_range(rows: tuple[FileRows, np.ndarray[tuple[int, int], np.dtype[np.uint8]]]) -> None:
    view, data = rows
    assert np.array_equal(view.read(), data)
    assert np.array_equal(view.read(3, 9), data[3:9])
    assert np.array_equal(view.slice(10, 20).read(2, 5), data[12:15])


@pytest.mark.parametrize("index", [[5, 5, 0], list(range(59, -1, -1)), [0, 59], [30], []])
def test_takes_rows_in_any_order(
    rows: tuple[FileRows, np.ndarray[tuple[int, int], np.dtype[np.uint8]]], index: list[int]
) -> None:
    view, data = rows
    taken = view.take(np.array(index, np.int64))
    assert np.array_equal(taken.read(), data[index])


def test_a_permutation_and_its_inverse_are_the_file_itself(
    rows: tuple[FileRows, np.ndarray[tuple[int, int], np.dtype[np.uint8]]],
) -> None:
    view, _ = rows
    there = permutation(1, 60)
    moved = view.take(there)
    back = moved.take(np.argsort(there).astype(np.int64))
    assert moved.change is Change.MOVED
    assert isinstance(back, FileRows)
    assert (back.offset, back.n, back.change) == (view.offset, view.n, Change.SAME)


def test_parts_of_one_file_in_order_are_one_part(
    rows: tuple[FileRows, np.ndarray[tuple[int, int], np.dtype[np.uint8]]],
) -> None:
    view, data = rows
    whole = joined([view.slice(0, 20), view.slice(20, 41), view.slice(41, 60)])
    assert isinstance(whole, FileRows)
    swapped = joined([view.slice(20, 60), view.slice(0, 20)])
    assert np.array_equal(swapped.read(), np.concatenate([data[20:], data[:20]]))
    assert np.array_equal(swapped.slice(35, 45).read(1, 8), np.concatenate([data[20:], data[:20]])[36:43])


def test_transposing_twice_gives_the_rows_back(tmp_path: Path) -> None:
    view, data = stored(tmp_path / "matrix", 5, 12)
    turned = transposed(view, 4)
    elements = data.reshape(5, 3, 4).transpose(1, 0, 2)
    assert np.array_equal(turned.read(), elements.reshape(3, 20))
    assert np.array_equal(turned.read(1, 2), elements[1:2].reshape(1, 20))
    assert transposed(turned, 4) is view


@given(st.lists(st.sampled_from(["take", "slice", "join", "turn"]), max_size=6), st.integers(0, 999))
def test_any_chain_of_operations_equals_the_same_on_an_array(chain: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 256, (12, 8), np.uint8)
    view: Rows = MemoryRows(array.copy())
    for step in chain:
        if step == "take":
            index = rng.integers(0, len(array), len(array)).astype(np.int64)
            view, array = view.take(index), array[index]
        elif step == "slice":
            a = int(rng.integers(0, len(array)))
            view, array = view.slice(a, len(array)), array[a:]
        elif step == "join":
            view, array = joined([view, view]), np.concatenate([array, array])
        elif array.shape[1] % 2 == 0:
            view, cells = transposed(view, 2), array.reshape(len(array), -1, 2)
            array = cells.transpose(1, 0, 2).reshape(cells.shape[1], -1)
    assert (view.n, view.width) == array.shape
    assert np.array_equal(view.read(), array)


def test_a_file_that_ends_early_is_damaged_not_silent(tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"12345")
    file = File(path)
    with pytest.raises(DamagedFile, match=r"short, byte 5: ends here; 3 more bytes"):
        FileRows(file, 2, 2, 3).read()
    with pytest.raises(DamagedFile, match="the file has 5"):
        file.read(0, 1 << 60)
