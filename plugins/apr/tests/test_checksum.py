from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from hub_apr.container import FileImage, MemoryImage, crc32
from hub_apr.container._checksum import combined


@pytest.mark.parametrize("cut", [0, 1, 2, 1000, 65_536, 99_999, 100_000])
def test_two_runs_have_the_sum_of_the_whole(cut: int) -> None:
    data = np.random.default_rng(cut).bytes(100_000)
    first, second = data[:cut], data[cut:]
    assert combined(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(data)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 5_000_003])
def test_a_file_has_the_sum_that_zlib_computes_in_one_go(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    assert crc32(FileImage(path), size) == zlib.crc32(data)
    assert crc32(MemoryImage(path, data), size // 2) == zlib.crc32(data[: size // 2])
