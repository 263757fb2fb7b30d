"""Blocks are taken before anything is written, so that a disk without room says so at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.pipeline._allocate import allocate

NBYTES = 3 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"header")
    return tmp_path / "file"


@pytest.mark.parametrize("reserves", [True, False])
def test_a_file_grows_and_keeps_what_it_holds(path: Path, reserves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not reserves:
        monkeypatch.setattr("hub.pipeline._allocate._fallocate", lambda: None)
    with path.open("r+b") as file:
        allocate(file.fileno(), NBYTES)
        assert path.stat().st_size == NBYTES
        allocate(file.fileno(), 100)
        allocate(file.fileno(), 0)
    assert path.stat().st_size == NBYTES
    assert path.read_bytes() == b"header".ljust(NBYTES, b"\0")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fallocate(2) is Linux's")
def test_blocks_are_reserved(path: Path) -> None:
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, 1)
        except OSError:
            pytest.skip("this file system reserves nothing")
        allocate(file.fileno(), NBYTES)
    assert path.stat().st_blocks * 512 >= NBYTES


LIMITED = """
import resource, sys

sys.dont_write_bytecode = True  # it would be cut at the limit as well
resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))  # more than the header, less than the tensors
from hub.cli import main

sys.exit(main(["convert", *sys.argv[1:]]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fallocate(2) is Linux's")
def test_no_room_is_said_before_anything_is_written(tiny_gguf: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tiny_gguf), str(tiny_gguf.parent / "new.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "new.safetensors: writing failed: File too large: 47,616 bytes are needed [safetensors]" in done.stderr
    assert sorted(p.name for p in tiny_gguf.parent.iterdir()) == [tiny_gguf.name]
