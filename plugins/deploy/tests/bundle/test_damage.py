"""A damaged bundle does not start: exit code 1, and a line that says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from hub.embedded import embedded

Machine = Any  # conftest's
CopyOf = Callable[[bytes], Path]

TAIL = rb"# tail: byte "


def places(app: Path) -> dict[str, int]:
    """A byte of each part of the bundle."""
    data, found = app.read_bytes(), embedded(app)
    assert found is not None
    tail = int(data[data.index(TAIL) + len(TAIL) :].split(b",")[0])
    return {
        "the model's place": data.index(b"bytes, sha256"),
        "the model's digest": data.index(b"parts ") + 6,
        "the script": data.index(b"needs Python"),
        "the padding of the first page": found.offset - 2,
        "the model's first byte": found.offset,
        "the model's last byte": found.end - 1,
        "the runtime's first byte": found.end,
        "the runtime's middle": (found.end + tail) // 2,
        "the runtime's last byte": tail - 1,
        "the tail's first byte": tail,
        "the tail's middle": (tail + len(data)) // 2,
        "the tail's directory": data.rindex(b"PK\x01\x02"),
        "the tail's end": data.rindex(b"PK\x05\x06"),
        "the last byte": len(data) - 1,
    }


PLACES = (
    "the model's place", "the model's digest", "the script", "the padding of the first page", "the model's first byte",
    "the model's last byte", "the runtime's first byte", "the runtime's middle", "the runtime's last byte",
    "the tail's first byte", "the tail's middle", "the tail's directory", "the tail's end", "the last byte",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_one_flipped_bit_is_refused(app: Path, copy_of: CopyOf, machine: Machine, place: str) -> None:
    data = bytearray(app.read_bytes())
    data[places(app)[place]] ^= 4
    copy = copy_of(bytes(data))
    ran = machine.run(copy, "run", "-p", "x", "-n", "1", "-q")
    assert (ran.returncode, ran.stdout) == (1, ""), ran.stderr
    assert str(copy) in ran.stderr
    assert "damaged" in ran.stderr
    assert "Traceback" not in ran.stderr
    if "model" in place:
        served = machine.run(copy, "serve", "--port", "0")
        assert served.returncode == 1
        assert "damaged" in served.stderr
        assert '"event": "ready"' not in served.stderr


@pytest.mark.parametrize("left", [3000, 4096, 0.3, 0.9, -30_000, -1])
def test_a_bundle_that_is_cut_short_is_refused(app: Path, copy_of: CopyOf, machine: Machine, left: float) -> None:
    data = app.read_bytes()
    copy = copy_of(data[: int(left * len(data)) if isinstance(left, float) else left])
    for command in ("run", "inspect", "--help"):
        ran = machine.run(copy, command)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "damaged" in ran.stderr


def test_bytes_behind_it_are_refused(app: Path, copy_of: CopyOf, machine: Machine) -> None:
    ran = machine.run(copy_of(app.read_bytes() + b"\n"), "verify")
    assert ran.returncode == 1
    assert f"is damaged: it has {app.stat().st_size + 1} bytes" in ran.stderr


@pytest.mark.parametrize("place", ["the script", "the model's first byte", "the runtime's middle", "the tail's middle"])
def test_python_alone_refuses_it_too(app: Path, copy_of: CopyOf, machine: Machine, place: str) -> None:
    data = bytearray(app.read_bytes())
    data[places(app)[place]] ^= 4
    ran = machine.run(machine.python, copy_of(bytes(data)), "verify")
    assert (ran.returncode, ran.stdout) == (1, "")


def test_another_model_in_its_place_is_refused(app: Path, copy_of: CopyOf, machine: Machine) -> None:
    found = embedded(app)
    assert found is not None
    data = bytearray(app.read_bytes())
    half = found.nbytes // 2
    data[found.offset : found.end] = data[found.end - half : found.end] + data[found.offset : found.end - half]
    assert machine.run(copy_of(bytes(data)), "run", "-p", "x").returncode == 1


def test_no_variable_skips_the_comparison(app: Path, copy_of: CopyOf, machine: Machine) -> None:
    data = bytearray(app.read_bytes())
    data[places(app)["the model's last byte"]] ^= 4
    hopes = {f"HUB_BUNDLE_{name}": value for name, value in (("VERIFY", "0"), ("SKIP", "1"), ("TRUST", "1"))}
    assert machine.run(copy_of(bytes(data)), "run", "-p", "x", **hopes).returncode == 1


def test_hub_does_not_run_a_damaged_one_either(app: Path, copy_of: CopyOf, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(app.read_bytes())
    data[places(app)["the model's last byte"]] ^= 4
    assert main(["run", str(copy_of(bytes(data))), "-p", "x", "-q"]) == 1
    assert "the model in it is damaged" in capsys.readouterr().err
