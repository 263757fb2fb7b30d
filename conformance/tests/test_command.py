"""`hub conformance` and `python -m hub_conformance` as a user calls them; the base class in a pytest of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

import hub_conformance

SCHEMAS = Path(hub_conformance.__file__).parent / "schemas"
Sound = Callable[[str], None]
ONLY = ("--only", "test_plugin_loads", "--only", "test_declarations*")


def call(*args: str, module: str = "hub_conformance") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *args], capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("sound")
def test_a_conformant_format_is_0(tmp_path: Path) -> None:
    done = call("conformance", "sound", *ONLY, "--output", str(tmp_path / "out"), module="hub")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2] == "sound: conformant: 3 pass"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["junit.xml", "report.json", "sound.md"]
    again = call("sound", *ONLY, "--output", str(tmp_path / "out"))
    assert again.returncode == 2
    assert "holds a report already; --force replaces it" in again.stderr
    assert call("sound", *ONLY, "--output", str(tmp_path / "out"), "--force").returncode == 0


def test_a_format_that_is_not_is_1(sound: Sound) -> None:
    sound("names an unknown word")
    done = call("sound", *ONLY)
    assert done.returncode == 1
    assert "FAIL test_declarations_use_known_words: drops names ['colour']" in done.stdout
    assert "sound: NOT conformant: 2 pass, 1 FAIL" in done.stdout


def test_json_is_one_document(sound: Sound) -> None:
    sound("names an unknown word")
    done = call("sound", *ONLY, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert (report["schema"], report["conformant"]) == ("hub.conformance/1", False)


def test_a_plugin_that_does_not_import_is_not_conformant(sound: Sound) -> None:
    sound("raises at import")
    done = call("sound")
    assert done.returncode == 1
    assert "FAIL test_plugin_loads: sound: RuntimeError: this plugin does not import" in done.stdout


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["nothing"], "no plugin brings a format 'nothing'"),
        (["sound", "--force"], "--force has no effect without --output"),
        (["sound", "--disable", "test_plugin_loads"], "--disable takes TEST=REASON"),
        (["sound", "--only", "nothing"], "names no test"),
        (["sound", "--list", "--output", "x"], "--output has no effect with --list"),
        (["sound", "--output", __file__], "is no folder"),
    ],
)
def test_what_cannot_run_is_2(args: list[str], expected: str) -> None:
    done = call(*args)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.usefixtures("sound")
def test_tests_are_listed() -> None:
    done = call("sound", "--list", "--only", "test_shards*")
    assert done.stdout == "sound test_shards_are_written[llama-shards]\n"
    said = json.loads(call("sound", "--list", "--only", "test_shards*", "--json").stdout)
    jsonschema.validate(said, json.loads((SCHEMAS / "conformance-list.json").read_text()))
    assert said["tests"] == {"sound": ["test_shards_are_written[llama-shards]"]}


@pytest.mark.usefixtures("sound")
def test_the_base_class_runs_in_ones_own_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "from hub_conformance import FormatConformance\n\n"
        "class TestSound(FormatConformance):\n    format = 'sound'\n    peers = ()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "native or loads", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout.splitlines()[-1]
