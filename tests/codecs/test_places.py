"""What the compiled kernels do from file to file is what they do in memory; what they leave undone is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs import encode, recode, same_bytes, sums, sums_at_once, using
from hub.codecs.native import compiled
from hub.ir import ENCODINGS, F16, F32, Encoding, File, FileRows, MemoryRows, Tensor

Floats = NDArray[np.float32]
BEFORE = b"before"  # what the tensor follows in its file, so that it begins anywhere
SHAPE = (37, 768)  # neither whole steps of the kernels nor whole batches


@pytest.fixture(autouse=True)
def by_numpy() -> Iterator[None]:
    """In the place of the one that chooses NumPy elsewhere: by the kernels."""
    if compiled() is None:
        pytest.skip("the kernels are not built: run hub/codecs/native/_build.py where a C++ compiler is")
    with using("compiled"):
        yield


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "target", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def normal() -> Floats:
    return np.random.default_rng(4).normal(0, 1, SHAPE).astype(np.float32)


def stored(path: Path, encoding: Encoding, values: Floats) -> Tensor:
    """`values` in a file of their own."""
    raw = encode(encoding, values)
    path.write_bytes(BEFORE + raw.tobytes())
    return Tensor(path.name, values.shape, encoding, FileRows(File(path), len(BEFORE), *raw.shape))


def in_memory(tensor: Tensor) -> Tensor:
    return Tensor(tensor.name, tensor.shape, tensor.encoding, MemoryRows(tensor.rows.read()))


@pytest.mark.parametrize("values", [1024, 5000, 1 << 20])
@pytest.mark.parametrize("new", ["F32", "F16", "BF16", "Q8_0", "Q4_K"])
@pytest.mark.parametrize("old", ["F32", "F16", "Q4_1", "Q6_K"])
def test_rows_go_from_file_to_file_as_through_memory(
    old: str, new: str, values: int, tmp_path: Path, target: int
) -> None:
    rows = recode(stored(tmp_path / "a", ENCODINGS[old], normal()), ENCODINGS[new]).rows
    sent = rows.send(5, 31, target, 100, values)
    assert sent == (old != new)  # the same encoding is no recoding: its bytes are copied
    if sent:
        with using("numpy"):
            assert os.pread(target, 1 << 24, 100) == rows.read(5, 31).tobytes()


def test_a_value_for_the_reference_is_not_sent(tmp_path: Path, target: int) -> None:
    values = normal()
    values[20, 300] = np.nan
    rows = recode(stored(tmp_path / "a", F16, values), F32).rows
    assert rows.send(0, 20, target, 0, 4096)
    assert not rows.send(0, 21, target, 0, 4096)


def test_a_file_that_became_shorter_is_not_sent(tmp_path: Path, target: int) -> None:
    rows = recode(stored(tmp_path / "a", F16, normal()), F32).rows
    os.truncate(tmp_path / "a", 1000)
    assert not rows.send(0, SHAPE[0], target, 0, 4096)


def test_what_cannot_be_written_is_not_sent(tmp_path: Path) -> None:
    rows = recode(stored(tmp_path / "a", F16, normal()), F32).rows
    with (tmp_path / "a").open("rb") as file:
        assert not rows.send(0, SHAPE[0], file.fileno(), 0, 4096)


def test_rows_that_lie_in_memory_or_in_another_order_are_not_sent(tmp_path: Path, target: int) -> None:
    base = stored(tmp_path / "a", F16, normal())
    assert not recode(in_memory(base), F32).rows.send(0, 1, target, 0, 4096)
    order = np.arange(SHAPE[0])[::-1].copy()
    assert not recode(base, F32).rows.take(order).send(0, 1, target, 0, 4096)


@pytest.mark.parametrize("most", [1024, 1 << 20])
@pytest.mark.parametrize(("old", "new"), [("Q4_1", "F16"), ("Q6_K", "F32"), ("F32", "BF16"), ("F16", "F16")])
def test_sums_at_once_are_those_in_memory(old: str, new: str, most: int, tmp_path: Path) -> None:
    a = stored(tmp_path / "a", ENCODINGS[old], normal())
    b = stored(tmp_path / "b", ENCODINGS[new], normal() + np.float32(0.01))
    seen, wanted = sums_at_once(a, b, most), sums(in_memory(a), in_memory(b), 0, a.size)
    assert seen is not None
    assert wanted is not None
    assert seen == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("place", [0, 1024, 20_000, 37 * 768 - 1])
def test_one_flipped_bit_in_a_file_is_found_where_it_is(place: int, tmp_path: Path) -> None:
    a, b = (stored(tmp_path / name, F16, normal()) for name in "ab")
    assert same_bytes(a, b, 4096) is True
    data = bytearray((tmp_path / "b").read_bytes())
    data[len(BEFORE) + 2 * place] ^= 1
    (tmp_path / "b").write_bytes(data)
    b = Tensor("b", SHAPE, F16, FileRows(File(tmp_path / "b"), len(BEFORE), SHAPE[0], 2 * SHAPE[1]))
    assert same_bytes(a, b, 4096) is False
    seen = sums_at_once(a, b, 4096)
    assert seen is not None
    assert (seen.different, seen.first) == (1, place)


def test_what_is_not_finite_or_not_there_is_not_compared_at_once(tmp_path: Path) -> None:
    values = normal()
    values[-1, -1] = np.inf
    a, b = stored(tmp_path / "a", F16, values), stored(tmp_path / "b", F32, values)
    assert sums_at_once(a, b, 4096) is None
    assert sums_at_once(in_memory(a), b, 4096) is None
    c = stored(tmp_path / "c", F16, values)
    os.truncate(tmp_path / "c", 1000)
    assert same_bytes(a, c, 4096) is None
    assert same_bytes(a, in_memory(a), 4096) is None
