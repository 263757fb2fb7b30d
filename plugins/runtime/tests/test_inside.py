"""A model inside a larger file: mapped from there, and refused when a bit of it differs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.embedded import digest, head_of
from hub_runtime.engine import LOG, load

Hub = Callable[..., Any]

pytestmark = [
    pytest.mark.usefixtures("llama"),
    pytest.mark.skipif(sys.platform == "win32", reason="such files are for POSIX systems"),
]

OFFSET = 8192


@pytest.fixture
def larger(tiny: Path, tmp_path: Path) -> Path:
    found = tmp_path / "app"
    head = head_of(OFFSET, tiny.stat().st_size, digest(tiny)).ljust(OFFSET, b"\n")
    found.write_bytes(head + tiny.read_bytes() + b"behind" * 9999)
    return found


def test_it_says_what_the_model_says(hub: Hub, tiny: Path, larger: Path) -> None:
    options = ("-p", "Same", "-n", 20, "--seed", 42, "--quiet")
    assert hub("run", larger, *options).out == hub("run", tiny, *options).out != ""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists its mappings")
def test_the_weights_are_mapped_from_the_file_itself(larger: Path) -> None:
    with load(larger, gpu_layers=0):
        assert str(larger) in Path("/proc/self/maps").read_text()
        assert any("CPU_Mapped model buffer" in text for _, text in LOG.lines)
    assert str(larger) not in Path("/proc/self/maps").read_text()


def test_every_load_compares_the_digest(hub: Hub, larger: Path) -> None:
    assert hub("run", larger, "x", "-n", 1, "-q").code == 0
    data = bytearray(larger.read_bytes())
    data[OFFSET + 30_000] ^= 1
    larger.write_bytes(data)
    refused = hub("run", larger, "x", "-n", 1, "-q")
    assert (refused.code, refused.out) == (1, "")
    assert "the model in it is damaged" in refused.err


def test_flags_for_conversions_have_no_effect(hub: Hub, larger: Path) -> None:
    assert hub("run", larger, "x", "--bridge", "memory").code == 2
