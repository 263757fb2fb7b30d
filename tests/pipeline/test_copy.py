from __future__ import annotations

import itertools
import mmap
import os
import resource
import signal
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from hub.errors import DamagedFile, UsageError
from hub.ir import F32, File, Tensor
from hub.pipeline import Budget, Copier, Silent, default_budget, each


class Counting(Silent):
    """Progress that adds up."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()

    def advance(self, nbytes: int) -> None:
        with self._lock:
            self.total += nbytes


@pytest.fixture
def source(tmp_path: Path) -> tuple[File, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    values = np.random.default_rng(3).normal(size=(3000, 64)).astype(np.float32)
    path = tmp_path / "source"
    path.write_bytes(values.tobytes())
    return File(path), values


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("memory", [1, 1 << 20, 1 << 30])
def test_every_tensor_lands_at_its_offset(
    source: tuple[File, np.ndarray[tuple[int, int], np.dtype[np.float32]]], tmp_path: Path, jobs: int, memory: int
) -> None:
    file, values = source
    plain = Tensor.from_file("plain", values.shape, F32, file, 0)
    order = np.random.default_rng(1).permutation(3000).astype(np.int64)
    target = tmp_path / "target"
    target.write_bytes(b"HEAD")
    progress = Counting()
    moved = plain.take(order)
    Copier(Budget(jobs, memory), progress).copy(target, [(64, plain), (64 + plain.nbytes, moved)])
    data = target.read_bytes()
    assert data[:4] == b"HEAD"
    assert data[4:64] == bytes(60)
    assert data[64 : 64 + plain.nbytes] == values.tobytes()
    assert data[64 + plain.nbytes :] == values[order].tobytes()
    assert progress.total == 2 * plain.nbytes


@pytest.mark.parametrize("start", [0, 1, 64, 4097, 64 + mmap.PAGESIZE])  # the target is at 64: alike in pages, or not
def test_bytes_that_only_move_are_the_same_on_any_file_system(tmp_path: Path, start: int) -> None:
    source = tmp_path / "source"
    data = np.random.default_rng(start).bytes(start + (40 << 20))
    source.write_bytes(data)
    tensor = Tensor.from_file("t", (10 << 20,), F32, File(source), start)
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as elsewhere:  # noqa: S108
        for folder in (tmp_path, Path(elsewhere)):  # the second is out of the kernel's reach
            target = folder / "target"
            target.touch()
            progress = Counting()
            Copier(Budget(2), progress).copy(target, [(64, tensor), (64 + tensor.nbytes, tensor)])
            assert target.read_bytes() == bytes(64) + 2 * data[start:]
            assert progress.total == 2 * tensor.nbytes


def test_a_file_that_may_not_grow_stops_the_copy(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(1 << 20))
    target.touch()
    tensor = Tensor.from_file("t", (1 << 18,), F32, File(source), 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Copier(Budget(1), Silent()).copy(target, [(0, tensor)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_stream_gives_the_bytes_in_order(
    source: tuple[File, np.ndarray[tuple[int, int], np.dtype[np.float32]]],
) -> None:
    file, values = source
    tensor = Tensor.from_file("t", values.shape, F32, file, 0)
    pieces = list(Copier(Budget(2, 1 << 16), Silent()).stream(tensor))
    assert len(pieces) > 1
    assert b"".join(pieces) == values.tobytes()


def test_a_source_that_shrinks_under_way_stops_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(bytes(1 << 20))
    tensor = Tensor.from_file("t", (1 << 18,), F32, File(path), 0)
    path.write_bytes(bytes(1 << 10))
    target = tmp_path / "target"
    target.touch()
    with pytest.raises(DamagedFile, match="ends here"):
        Copier(Budget(2), Silent()).copy(target, [(0, tensor)])


def test_each_raises_the_first_error_and_stops() -> None:
    seen: list[int] = []

    def work(item: int) -> None:
        seen.append(item)
        if item == 3:
            raise UsageError("three")

    with pytest.raises(UsageError, match="three"):
        each(range(10**9), work, 2)
    assert len(seen) < 10_000


def test_each_raises_what_the_items_raise() -> None:
    def items() -> object:
        yield 1
        raise UsageError("no more")

    with pytest.raises(UsageError, match="no more"):
        each(items(), lambda _: None, 2)  # type: ignore[arg-type]


def test_memory_bounds_the_pieces() -> None:
    assert Budget(4, 1 << 20).values * 4 * 32 <= 1 << 20
    assert Budget(1, 1 << 40).values == 1 << 19


def test_a_budget_feeds_every_worker() -> None:
    least = 1 << 15
    assert default_budget(memory=least).jobs == 1
    assert default_budget(jobs=3, memory=3 * least).values == 1 << 10
    for jobs, memory in ((None, 0), (None, least - 1), (2, 2 * least - 1)):
        with pytest.raises(UsageError, match="--memory of"):
            default_budget(jobs, memory)


def test_an_interruption_at_any_moment_leaves_no_worker_behind() -> None:
    for after in range(60):
        done: list[int] = []

        def work(item: int, after: int = after, done: list[int] = done) -> None:
            done.append(item)
            if item == after:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            each(itertools.count(), work, 4)
        left = len(done)
        time.sleep(0.001)
        assert len(done) == left
