"""The runner: outcomes, reports, and that it stands apart from the settings around it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

import hub_conformance
from hub.errors import NoPlugin, UsageError
from hub_conformance.runner import (
    Result,
    Verdict,
    Wanted,
    document,
    junit,
    listed,
    markdown,
    matrix,
    publish,
    rows,
    run,
    summary,
)

SCHEMA = json.loads((Path(hub_conformance.__file__).parent / "schemas" / "report.json").read_text())
LOADS = "test_plugin_loads"


def test_our_formats_are_conformant(ours: list[Verdict]) -> None:
    for verdict in ours:
        assert verdict.conformant, verdict.bad
        assert verdict.counts["disabled"] == 0, [r for r in verdict.results if r.outcome == "disabled"]
        assert verdict.counts["pass"] > 500


def test_our_formats_declare_little(ours: list[Verdict]) -> None:
    for verdict in ours:
        assert all(result.reason for result in verdict.results if result.outcome == "declared")
        assert verdict.counts["declared"] * 10 < verdict.counts["pass"]


def test_every_ordered_pair_is_exchanged(ours: list[Verdict]) -> None:
    pairs = {(e.source, e.target): e.outcome for verdict in ours for e in verdict.exchanges()}
    names = {"apr", "gguf", "npz", "safetensors"}
    assert pairs.keys() == {(a, b) for a in names for b in names if a != b}
    assert set(pairs.values()) <= {"pass", "declared"}
    table = matrix(ours).splitlines()
    assert table[0] == "| from \\ to | apr | gguf | npz | safetensors |"
    assert len(table) >= 5


def test_the_report_follows_its_schema(ours: list[Verdict]) -> None:
    report = document(ours)
    jsonschema.validate(report, SCHEMA)
    assert report["conformant"]
    assert [f["format"] for f in report["formats"]] == ["apr", "gguf", "npz", "safetensors"]
    broken: dict[str, Any] = report | {"formats": [report["formats"][0] | {"conformant": "yes"}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)


ODD = Verdict(
    "odd",
    {"title": "Odd", "plugin": "odd", "distribution": "hub-odd", "version": "2.0"},
    [
        Result("test_a[x]", "pass", seconds=1.5),
        Result("test_a[y]", "FAIL", "tensor '<w>' \x00| differs"),
        Result("test_b", "declared", "drops ties"),
        Result("test_c", "disabled", "later"),
        Result("test_d", "ERROR", "no room"),
        Result("test_arrives_and_comes_back[gguf/native]", "pass"),
        Result("test_arrives_and_comes_back[gguf/llama]", "declared", "drops ties"),
        Result("test_visits_and_goes_home[apr/native]", "FAIL", "lost"),
    ],
)


def test_junit_counts_and_keeps_every_reason() -> None:
    suite = ElementTree.fromstring(junit([ODD]))[0]  # noqa: S314 - our own
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8", "failures": "2", "errors": "1", "skipped": "3",
    }  # fmt: skip
    failed = suite.find("testcase[@name='test_a[y]']/failure")
    assert failed is not None
    assert failed.get("message") == "FAIL: tensor '<w>' \\x00| differs"


def test_markdown_has_a_line_for_each_test_and_reason() -> None:
    text = markdown(ODD)
    assert "`odd` of hub-odd 2.0 is **not** conformant" in text
    assert "| test_a | 1 | 1 |  |  |  |" in text
    assert "- tensor '\\<w\\>' \\\\x00\\| differs (1 test)" in text
    assert text.count("- drops ties (2 tests)") == 1


def test_rows_and_summary() -> None:
    assert next(iter(rows(ODD))) == ("test_a", 1, 1, "", "", "")
    assert summary(ODD) == "odd: NOT conformant: 2 pass, 2 FAIL, 2 declared, 1 disabled, 1 ERROR"
    assert summary(Verdict("none")) == "none: NOT conformant: nothing ran"


def test_the_matrix_shows_the_worst_of_each_pair() -> None:
    text = matrix([ODD])
    assert "| odd |  | declared |  |" in text
    assert "| apr |  |  | **FAIL** |" in text
    assert "- odd to gguf: drops ties" in text


def test_reports_are_written_whole(tmp_path: Path) -> None:
    publish(tmp_path / "out", [ODD], overwrite=False)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["junit.xml", "odd.md", "report.json"]
    jsonschema.validate(json.loads((tmp_path / "out" / "report.json").read_text()), SCHEMA)


@pytest.mark.usefixtures("sound")
def test_settings_around_it_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conftest.py").write_text("raise RuntimeError('a conftest of the user')")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    verdict = run(["sound"], Wanted([LOADS, "test_no_network"], peers=()))[0]
    assert [r.outcome for r in verdict.results] == ["pass", "pass"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["conftest.py", "pytest.ini"]


@pytest.mark.usefixtures("sound")
def test_the_user_s_policy_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trust.toml").write_text("require = true\n")
    monkeypatch.setenv("HUB_TRUST", str(tmp_path / "trust.toml"))
    (verdict,) = run(["sound"], Wanted(("test_arrives_and_comes_back[gguf/llama-bpe]",), peers=("gguf",)))
    assert (verdict.conformant, verdict.counts["pass"]) == (True, 1), verdict.bad


@pytest.mark.usefixtures("sound")
def test_a_disabled_test_is_not_run_and_says_why() -> None:
    wanted = Wanted([LOADS, "test_declarations*"], {"test_declarations_agree": "see issue 7"}, peers=())
    found = {r.test: (r.outcome, r.reason) for r in run(["sound"], wanted)[0].results}
    assert found["test_declarations_agree"] == ("disabled", "see issue 7")
    assert found["test_declarations_use_known_words"] == ("pass", "")


def test_after_three_tests_that_hang_the_rest_is_left_out(sound: Callable[[str], None]) -> None:
    sound("hangs")
    verdict = run(["sound"], Wanted(["test_written*", "test_members*"], peers=(), limit=5))[0]
    counts = verdict.counts
    assert (counts["FAIL"], counts["pass"]) == (3, 1)
    assert counts["disabled"] > 50
    assert verdict.bad[0].reason == "took longer than 5 s"


def test_a_crash_is_laid_at_the_door_of_its_test(sound: Callable[[str], None]) -> None:
    sound("crashes")
    verdict = run(["sound"], Wanted(["test_what_it_writes_is_valid[native]", LOADS], peers=()))[0]
    assert [(r.test, r.outcome) for r in verdict.bad] == [("test_what_it_writes_is_valid[native]", "FAIL")]
    assert "the process ended with" in verdict.bad[0].reason


@pytest.mark.usefixtures("sound")
def test_a_format_that_nothing_brings_is_an_error() -> None:
    with pytest.raises(NoPlugin, match="no plugin brings a format 'nothing'"):
        run(["nothing"], Wanted(peers=()))


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    "wanted", [Wanted(["test_nothing_such"], peers=()), Wanted([LOADS], {"test_x": "y"}, peers=())]
)
def test_a_name_that_no_test_has_is_an_error(wanted: Wanted) -> None:
    with pytest.raises(UsageError, match=r"names no test"):
        run(["sound"], wanted)


@pytest.mark.usefixtures("sound")
def test_the_tests_can_be_listed() -> None:
    tests = listed("sound", Wanted(["test_config*"]))
    assert "test_config_comes_back[config-types]" in tests
    assert all(test.startswith("test_config_comes_back[") for test in tests)
