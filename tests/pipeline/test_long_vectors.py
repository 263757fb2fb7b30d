from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from hub.ir import ENCODINGS, File, Tensor
from hub.pipeline.compare import compare_tensors


@pytest.mark.parametrize("name", ["F32", "Q8_0"])
def test_a_long_vector_is_compared_in_parts(tmp_path: Path, name: str) -> None:
    encoding, size = ENCODINGS[name], 1 << 23
    path = tmp_path / "vector"
    path.write_bytes(bytes(encoding.size((size,))))
    a, b = (Tensor.from_file("v", (size,), encoding, File(path), 0) for _ in range(2))
    other = Tensor.from_bytes("v", (size,), ENCODINGS["F32"], np.zeros(size, np.float32).tobytes())
    tracemalloc.start()
    assert compare_tensors(a, b).equal
    assert compare_tensors(a, other).equal
    _, top = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert top < size
