"""A model that is cut into many pieces, and a way to end a conversion in the middle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

# The program, to which something happens as soon as it has written so many bytes.
BROKEN = """
import os, signal, sys, threading
from hub.cli import main
from hub.pipeline import Silent
limit, number, written, lock = int(sys.argv[1]), int(sys.argv[2]), 0, threading.Lock()

def advance(self, nbytes):
    global written
    with lock:
        written += nbytes
        if written >= limit:
            os.kill(os.getpid(), number)

Silent.advance = advance
sys.exit(main(sys.argv[3:]))
"""

Broken = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """Runs the program in `tmp_path`; the signal `how` reaches it when it has written `after` bytes."""

    def run(how: int, after: int, *args: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BROKEN, str(after), str(int(how)), *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    return run


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A SafeTensors file of eight matrices, 4 MB in all."""
    path = tmp_path / "many.safetensors"
    values = np.random.default_rng(0).normal(size=(8, 256, 512)).astype(np.float32)
    safetensors.numpy.save_file({f"layer.{i}.weight": matrix for i, matrix in enumerate(values)}, path)
    return path
