"""A GGUF inside a larger file: found, read where it lies, held to its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.cli import main
from hub.embedded import PART, Embedded, digest, embedded, head_of
from hub.errors import Altered
from hub.opening import open_model

OFFSET = 4096


@pytest.fixture
def model(make_gguf: Callable[..., Path], tmp_path: Path) -> Path:
    return make_gguf(tmp_path / "model.gguf")


@pytest.fixture
def larger(model: Path, tmp_path: Path) -> Path:
    """The model with something before and behind it."""
    found = tmp_path / "app"
    head = head_of(OFFSET, model.stat().st_size, digest(model)).ljust(OFFSET, b"\n")
    found.write_bytes(head + model.read_bytes() + b"behind" * 99)
    return found


def test_the_digest_is_that_of_the_parts_digests(tmp_path: Path) -> None:
    data = bytes(range(256)) * (PART // 256) + b"and a rest that is no page"
    (tmp_path / "data").write_bytes(b"x" * 5000 + data)
    parts = [hashlib.sha256(data[i : i + PART]).digest() for i in range(0, len(data), PART)]
    assert digest(tmp_path / "data", 5000) == hashlib.sha256(b"".join(parts)).hexdigest()
    assert digest(tmp_path / "data", 5000, 7) == hashlib.sha256(hashlib.sha256(data[:7]).digest()).hexdigest()


def test_what_is_no_such_file_embeds_nothing(model: Path, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\necho\n")
    (tmp_path / "near").write_text("#!/bin/sh\n# hub embeds GGUF: byte four\n")
    assert [embedded(p) for p in (model, tmp_path, tmp_path / "script", tmp_path / "near")] == [None] * 4


def test_it_is_read_where_it_lies(model: Path, larger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = embedded(larger)
    assert found is not None
    assert (found.offset, found.nbytes) == (OFFSET, model.stat().st_size)
    found.check()
    assert main(["diff", str(model), str(larger)]) == 0
    assert main(["check", str(larger)]) == 0
    assert "Checksum        PASS" in capsys.readouterr().out
    assert open_model(larger)[0].name == "gguf"


def test_a_flipped_bit_or_a_cut_is_told(larger: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = larger.read_bytes()
    for place in (OFFSET, OFFSET + model.stat().st_size // 2, OFFSET + model.stat().st_size - 1):
        data = bytearray(whole)
        data[place] ^= 16
        larger.write_bytes(data)
        with pytest.raises(Altered, match="the model in it is damaged") as raised:
            _embedded(larger).check()
        assert raised.value.exit_code == 1
    assert main(["check", str(larger)]) == 1
    assert "Checksum        FAIL" in capsys.readouterr().out
    larger.write_bytes(whole[: OFFSET + model.stat().st_size - 1])
    with pytest.raises(Altered, match="cut short"):
        _embedded(larger).check()
    assert main(["check", str(larger)]) == 1


def _embedded(path: Path) -> Embedded:
    found = embedded(path)
    assert found is not None
    return found
