"""However a conversion ends, a file is at the target whole and verified, or not at all."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

Hub = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    weights = np.random.default_rng(0).normal(size=(256, 512)).astype(np.float32)
    safetensors.numpy.save_file({"a.weight": weights, "b.weight": weights * 2}, path)
    return path


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name not in {"model.safetensors", "toy-plugin", "started"})


@pytest.mark.usefixtures("toy")
def test_a_conversion_to_a_third_partys_format_and_back(hub: Hub, source: Path, tmp_path: Path) -> None:
    assert hub("convert", source, "out.toy").returncode == 0
    back = hub("convert", "out.toy", "back.safetensors")
    assert back.returncode == 0, back.stderr
    before, after = (safetensors.numpy.load_file(p) for p in (source, tmp_path / "back.safetensors"))
    assert {k: v.tobytes() for k, v in before.items()} == {k: v.tobytes() for k, v in after.items()}


def _heeding_signals() -> None:
    """A child of nohup, or of a script's background, would go on ignoring what those ignore."""
    for one in (signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_in_mid_write_leaves_no_target(
    source: Path, tmp_path: Path, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    monkeypatch.setenv("TOY_STOP", str(started))
    command = [sys.executable, "-m", "hub", "convert", str(source), "out.toy"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=_heeding_signals)
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}.get(how, -how)
    assert not (tmp_path / "out.toy").exists()
    if how is not signal.SIGKILL:
        assert leftovers(tmp_path) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(hub: Hub, source: Path, tmp_path: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))

    done = hub("convert", source, "out.safetensors", preexec_fn=small)
    assert done.returncode == 2
    assert "out.safetensors: writing failed: File too large" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert leftovers(tmp_path) == []
