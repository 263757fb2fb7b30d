"""Any bytes at all: a header is read, or refused with a hub error; nothing else happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter

from hub.errors import HubError
from hub_gguf import GgufFormat
from hub_gguf.container import read_header


def fill(writer: GGUFWriter) -> None:
    writer.add_custom_alignment(64)
    writer.add_array("words", ["one", "two", "", "three"])
    writer.add_array("numbers", list(range(20)))
    writer.add_array("nested", [[1, 2], [3]])
    writer.add_bool("yes", True)
    writer.add_float64("pi", 3.14)


def attempt(path: Path) -> bool:
    """True when the file was read to the last string, False when it was refused."""
    try:
        header = read_header(path)
        for value in header.plain.values():
            list(value) if not isinstance(value, int | float) else value
        for info in header.tensors:
            header.file.read(info.offset, info.nbytes)
    except HubError:
        return False
    return True


@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_are_read_or_refused(write_gguf: Any, tmp_path: Path, seed: int) -> None:
    data = write_gguf(fill=fill).read_bytes()
    rng = np.random.default_rng(seed)
    end = read_header(tmp_path / "model.gguf").end
    path = tmp_path / "bad.gguf"
    outcomes = set()
    for _ in range(400):
        changed = bytearray(data)
        for at in rng.integers(4, end, rng.choice([1, 1, 2, 8])):
            changed[at] = rng.choice(np.array([0, 1, 9, 0x7F, 0x80, 0xFF, rng.integers(256)]))
        path.write_bytes(changed)
        outcomes.add(attempt(path))
        assert len(list(GgufFormat().validate(path))) == 6
    assert outcomes == {True, False}


def test_noise_after_the_magic_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    path = tmp_path / "noise.gguf"
    for size in [*range(64), 4096]:
        path.write_bytes(b"GGUF\3\0\0\0" + rng.bytes(size))
        assert not attempt(path)
