"""GGUF files written by the `gguf` package, an independent source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFEndian, GGUFWriter
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Fill = Callable[[GGUFWriter], None]
WriteGguf = Callable[..., Path]


@pytest.fixture
def arrays() -> Arrays:
    """A few small tensors, row-major."""
    rng = np.random.default_rng(7)
    return {
        "token_embd.weight": rng.normal(size=(5, 8)).astype(np.float32),
        "blk.0.attn_q.weight": rng.normal(size=(4, 8)).astype(np.float16),
        "output_norm.weight": rng.normal(size=8).astype(np.float32),
    }


@pytest.fixture
def write_gguf(tmp_path: Path, arrays: Arrays) -> WriteGguf:
    """Writes a file through `gguf.GGUFWriter`: `fill(writer)` adds keys, `tensors` replaces the default ones."""

    def write(
        name: str = "model.gguf", fill: Fill | None = None, tensors: Arrays | None = None, arch: str = "toy", **how: Any
    ) -> Path:
        path = tmp_path / name
        writer = GGUFWriter(path, arch, **how)
        if fill:
            fill(writer)
        for key, array in (arrays if tensors is None else tensors).items():
            writer.add_tensor(key, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


@pytest.fixture
def big_endian() -> GGUFEndian:
    """The byte order of s390x."""
    return GGUFEndian.BIG
