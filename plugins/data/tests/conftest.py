"""A model to sign."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest


def tiny(path: Path) -> Path:
    """A GGUF file with two tensors, of no known architecture."""
    writer = gguf.GGUFWriter(path, "strange")
    writer.add_name("tiny")
    for name in ("a", "b"):
        writer.add_tensor(name, np.arange(64, dtype=np.float32).reshape(2, 32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def make_gguf() -> Callable[[Path], Path]:
    """Writes a small model at a path."""
    return tiny
