"""`--codec`: who does the work of a conversion, what the report says of it, and when the flag is an error."""

from pathlib import Path

import pytest

from hub import codecs
from hub.cli import main
from hub.errors import UsageError
from hub.interface import Options
from hub.pipeline import Request, convert


def test_every_codec_gives_the_same_file(tiny_gguf: Path, tmp_path: Path) -> None:
    made = {}
    for codec in codecs.available():
        target = tmp_path / f"{codec.name}.gguf"
        report = convert(Request(tiny_gguf, target, encode=["q8_0"], codec=codec.name))
        assert codec.name in [used["codec"] for used in report.codecs]
        made[codec.name] = target.read_bytes()
    assert set(made.values()) == {made["numpy"]}


def test_the_report_says_who_did_what(tiny_gguf: Path, tmp_path: Path) -> None:
    report = convert(Request(tiny_gguf, tmp_path / "out.gguf", encode=["q8_0"], codec="numpy"))
    assert report.document()["codecs"] == [{"codec": "numpy", "decoded": ["Q8_0"], "encoded": ["Q8_0"]}]


def test_a_codec_that_does_nothing_is_an_error(tiny_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--codec numpy has no effect"):
        convert(Request(tiny_gguf, tmp_path / "out.gguf", codec="numpy"))
    assert not (tmp_path / "out.gguf").exists()


def test_a_codec_that_is_not_there(tiny_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no codec 'fortran' is installed"):
        convert(Request(tiny_gguf, tmp_path / "out.gguf", encode=["q8_0"], codec="fortran"))


def test_the_program(tiny_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["convert", str(tiny_gguf), str(tmp_path / "out.gguf"), "--encode", "q8_0", "--codec", "numpy"]
    assert main(arguments) == 0
    assert "Codec numpy: decoded Q8_0; encoded Q8_0" in capsys.readouterr().out
    assert main([*arguments, "--dry-run"]) == 2
    assert "--codec has no effect with --dry-run" in capsys.readouterr().err


def test_an_importance_matrix_with_nothing_to_encode(tiny_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "imatrix.dat"
    path.write_bytes(b"\1\0\0\0\1\0\0\0x\1\0\0\0\1\0\0\0\0\0\x80\x3f")
    with pytest.raises(UsageError, match="--imatrix has no effect"):
        convert(Request(tiny_gguf, tmp_path / "out.gguf", imatrix=path, options=Options()))
