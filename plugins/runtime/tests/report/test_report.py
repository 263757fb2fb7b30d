"""`hub report` on documents that were measured, changed, damaged or are somebody else's."""

from __future__ import annotations

import json
import re
import shutil
import statistics
from collections.abc import Callable
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hub_runtime.measure import Summary
from hub_runtime.report import METRICS, RULES, gather, html, markdown, report_on, sections

Edit = Callable[[str, Callable[[Any], object]], None]

HEADINGS = [
    "Executive Summary", "Methodology", "Results Table", "Output Equivalence", "Format Recommendations",
    "Cost and Performance", "Lessons Learned", "Sources",
]  # fmt: skip


def reported(folder: Path) -> Any:
    return report_on(gather(folder), folder)


def by_rule(folder: Path) -> dict[str, Any]:
    return {a.rule: a for a in reported(folder).recommendations}


def faster(factor: float) -> Callable[[Any], None]:
    """All times of a measurement by `factor`, and all that follows from them."""

    def change(found: Any) -> None:
        for sample in found["samples"]:
            sample["token_ms"] = [t / factor for t in sample["token_ms"]]
            sample["first_token_ms"] /= factor
            sample["total_ms"] /= factor
        for name, power in (("first_token_ms", -1), ("token_ms", -1), ("total_ms", -1),
                            ("prompt_tokens_per_second", 1), ("generation_tokens_per_second", 1)):  # fmt: skip
            for key in ("mean", "std", "min", "p50", "p95", "p99", "max"):
                found[name][key] *= factor**power

    return change


def test_every_number_of_the_table_is_in_the_documents(document: Any, benchmarks: Path, tiny: Path) -> None:
    found = document("report", "report", benchmarks)
    assert [c["format"] for c in found["columns"]] == ["gguf", "apr"]
    for column in found["columns"]:
        bench, profile = (
            json.loads((benchmarks / f"{column['format']}-{n}.json").read_text()) for n in ("benchmark", "profile")
        )
        values = {key: value["number"] for key, value in column["values"].items()}
        assert values == {
            "file_size": Path(column["path"]).stat().st_size,
            "load": bench["model"]["load_ms"],
            "prepare": bench["model"]["bridge_ms"],
            "throughput": statistics.median(4000 / sum(s["token_ms"]) for s in bench["samples"]),
            "p50": pytest.approx(statistics.median(t for s in profile["samples"] for t in s["token_ms"])),
            "p95": profile["token_ms"]["p95"],
            "p99": profile["token_ms"]["p99"],
            "memory": bench["memory"]["peak"],
            "first_token": statistics.median(s["first_token_ms"] for s in bench["samples"]),
            "prompt": pytest.approx(statistics.median(2000 / s["first_token_ms"] for s in bench["samples"])),
        }
        assert column["label"].startswith({"gguf": "GGUF v3 (F32)", "apr": "APR v2"}[column["format"]])
    assert found["missing"] == []
    assert str(tiny) in {c["path"] for c in found["columns"]}


def test_the_report_has_the_sections_of_the_course(hub: Any, benchmarks: Path, tmp_path: Path) -> None:
    ran = hub("report", benchmarks, "-o", "report.md")
    assert ran.code == 0, ran
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    rows = re.findall(r"^\| (.*?) \|", text.partition("## Results Table")[2].partition("##")[0], re.MULTILINE)
    assert rows == ["Metric", ":---", *(m.title for m in METRICS)]
    for name in ("GGUF", "APR"):
        assert name in ran.out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'<h2 id="[a-z-]+">(.*?)</h2>', page) == HEADINGS


def test_the_page_needs_nothing_but_itself(benchmarks: Path) -> None:
    class Tags(HTMLParser):
        seen: list[tuple[str, dict[str, str | None]]] = []  # noqa: RUF012  # it is read once

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.append((tag, dict(attrs)))

    tags = Tags()
    tags.feed(html(sections(reported(benchmarks))))
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(tag for tag, _ in tags.seen)
    assert not [a for _, a in tags.seen if {"src", "href", "onload"} & a.keys()]
    bars = [a for tag, a in tags.seen if tag == "rect"]
    assert len(bars) >= 2 * len(METRICS)


def test_formats_of_one_model_say_the_same(document: Any, benchmarks: Path) -> None:
    same = document("report", "report", benchmarks)["equivalence"]
    assert same["verdict"] is True
    ((first,), (finding,)) = same["first_tokens"], same["findings"]
    traces = [json.loads(p.read_text())["first_token"]["argmax"] for p in benchmarks.glob("*-trace.json")]
    assert [s["argmax"] for s in first["said"]] == traces
    assert (first["same"], finding["same"], finding["file"]) == (True, True, "compare.json")


def test_another_first_token_is_told(benchmarks: Path, edit: Edit) -> None:
    def other(trace: Any) -> None:
        trace["first_token"]["argmax"] += 1

    edit("apr-trace.json", other)
    report = reported(benchmarks)
    assert (report.equivalence.verdict, report.equivalence.first_tokens[0].same) == (False, False)
    text = markdown(sections(report))
    assert "**Not all comparisons agree.**" in text
    assert "NOT the same" in text
    assert "Not all that was asked of their outputs holds: the same greedy tokens" in text


def test_traces_of_other_tokens_are_not_compared(benchmarks: Path, edit: Edit) -> None:
    def other(trace: Any) -> None:
        trace["tokens"][-1]["token"] += 1

    edit("apr-trace.json", other)
    (benchmarks / "compare.json").unlink()
    same = reported(benchmarks).equivalence
    assert (same.verdict, [p.same for p in same.first_tokens]) == (None, [None, None])
    assert "was not measured" in markdown(sections(reported(benchmarks)))


def test_a_trace_without_a_first_token_is_not_the_same(benchmarks: Path, edit: Edit) -> None:
    for name in ("gguf", "apr"):
        edit(f"{name}-trace.json", lambda trace: trace.update(first_token=None))
    (benchmarks / "compare.json").unlink()
    assert reported(benchmarks).equivalence.verdict is False


def test_rules_recommend_what_is_ahead_in_every_answer(benchmarks: Path, edit: Edit) -> None:
    edit("gguf-benchmark.json", faster(1000))
    edit("gguf-profile.json", faster(1000))
    found = by_rule(benchmarks)
    assert set(found) == {rule.name for rule in RULES}
    for name in ("throughput", "first token", "steadiness"):
        assert found[name].choice.startswith("GGUF"), found[name]
        assert list(found[name].numbers) == sorted(
            found[name].numbers, key=found[name].numbers.get, reverse=name == "throughput"
        )
        assert "apart" in found[name].why


def test_a_lead_within_the_margin_is_no_lead(benchmarks: Path, edit: Edit) -> None:
    for kind in ("benchmark", "profile"):
        shutil.copy(benchmarks / f"gguf-{kind}.json", benchmarks / f"apr-{kind}.json")
        edit(f"apr-{kind}.json", lambda found: found["model"].update(path="model.apr", format="apr"))
        edit(f"apr-{kind}.json", faster(1.04))
    for advice in by_rule(benchmarks).values():
        assert advice.choice is None
        assert "within" in advice.why


def paced(*answers: float) -> Callable[[Any], None]:
    """The first tokens of a measurement after these milliseconds, and all that follows from them."""

    def change(found: Any) -> None:
        for sample, first in zip(found["samples"], answers, strict=True):
            sample["first_token_ms"], sample["total_ms"] = first, first + sum(sample["token_ms"])
        columns = {
            "first_token_ms": answers,
            "total_ms": [s["total_ms"] for s in found["samples"]],
            "prompt_tokens_per_second": [1000 * found["prompt_tokens"] / a for a in answers],
        }
        found.update({name: asdict(Summary.of(values) or Summary(*[0] * 8)) for name, values in columns.items()})

    return change


def test_a_lead_in_some_answers_is_no_lead(benchmarks: Path, edit: Edit) -> None:
    edit("gguf-benchmark.json", paced(10, 20, 30))
    edit("apr-benchmark.json", paced(5, 10, 11))
    advice = by_rule(benchmarks)["first token"]
    assert (advice.choice, "ranges overlap" in advice.why) == (None, True), advice
    edit("apr-benchmark.json", paced(5, 7, 9))
    assert by_rule(benchmarks)["first token"].choice.startswith("APR")


@pytest.mark.parametrize(
    ("key", "value", "said"), [("threads", 7, "threads 1 and 7"), ("prompt", "x", "prompt ab and x")]
)
def test_what_was_measured_otherwise_is_not_ranked(
    benchmarks: Path, edit: Edit, key: str, value: object, said: str
) -> None:
    for kind in ("benchmark", "profile"):
        edit(f"apr-{kind}.json", lambda found: found.update({key: value}))
    report = reported(benchmarks)
    advice = {a.rule: a for a in report.recommendations}
    assert said in advice["throughput"].why
    assert advice["throughput"].choice is None
    assert "different conditions" not in advice["size"].why
    assert any(said in line for line in report.observations)


def test_what_was_not_measured_is_said_with_the_command_that_does(benchmarks: Path, tiny_apr: Path) -> None:
    for kind in ("benchmark", "profile"):
        (benchmarks / f"apr-{kind}.json").unlink()
    report = reported(benchmarks)
    assert [c.format for c in report.columns] == ["gguf", "apr"]
    (missing,) = report.missing
    assert missing.metrics == [m.title for m in METRICS if m.key != "file_size"]
    assert missing.command == f"hub showcase {tiny_apr} --output apr-benchmark.json"
    text = markdown(sections(report))
    assert text.count("| not measured |") >= len(METRICS) - 1
    assert by_rule(benchmarks)["throughput"].choice is None


def test_browsers_and_gpus_without_a_measurement_stay_empty(document: Any, benchmarks: Path) -> None:
    cells = {c["target"]: c for c in document("report", "report", benchmarks)["matrix"]}
    for target in ("wasm", "gpu"):
        assert cells[target]["model"] is cells[target]["tokens_per_second"] is cells[target]["per_million"] is None
        assert cells[target]["how"]
    assert cells["cpu"]["tokens_per_second"] > 0


def test_a_price_becomes_a_cost(document: Any, hub: Any, benchmarks: Path) -> None:
    found = document("report", "report", benchmarks, "--price", "cpu=3.6")
    for cell in found["matrix"]:
        if cell["target"] == "cpu":
            assert cell["per_million"] == pytest.approx(0.001 / cell["tokens_per_second"] * 1e6)
    for price, said in (("gpu=1", "has no effect"), ("cpu", "takes"), ("tpu=1", "takes"), ("cpu=-1", "takes")):
        ran = hub("report", benchmarks, "--price", price, "--force")
        assert (ran.code, said in ran.err) == (2, True), ran


def test_a_measurement_on_a_gpu_is_a_column_of_its_own(benchmarks: Path, edit: Edit) -> None:
    shutil.copy(benchmarks / "gguf-benchmark.json", benchmarks / "gpu-benchmark.json")
    edit("gpu-benchmark.json", lambda found: found["host"].update(devices=["CUDA0", "CPU"]))
    report = reported(benchmarks)
    assert [c.device for c in report.columns] == ["CPU", "GPU", "CPU"]
    assert report.columns[1].label.endswith("on CUDA0")
    assert {c.target for c in report.matrix if c.model} == {"cpu", "gpu"}


def test_the_latest_of_two_measurements_counts(benchmarks: Path, edit: Edit) -> None:
    shutil.copy(benchmarks / "gguf-benchmark.json", benchmarks / "again.json")
    edit("again.json", lambda found: found["host"].update(started="2999-01-01T00:00:00+00:00"))
    edit("again.json", faster(2))
    report = reported(benchmarks)
    assert report.replaced == ["gguf-benchmark.json"]
    assert report.columns[0].values["throughput"].file == "again.json"


def stretch(found: Any) -> None:
    found["token_ms"]["p99"] /= 2


def swap(found: Any) -> None:
    found["first_token_ms"], found["total_ms"] = found["total_ms"], found["first_token_ms"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (stretch, "its token_ms does not follow from its samples"),
        (swap, "its first_token_ms does not follow from its samples"),
        (lambda d: d["samples"].clear(), "states times or sizes that nothing has"),
        (lambda d: d["samples"][0].update(first_token_ms=-1), "states times or sizes that nothing has"),
        (lambda d: d["model"].update(load_ms=-1), "states times or sizes that nothing has"),
        (lambda d: d.update(token_ms=None), "its token_ms does not follow"),
        (lambda d: d["model"].update(load_ms="fast"), "model.load_ms"),
        (lambda d: d.pop("host"), "host"),
        (lambda d: d.update(schema="hub.bench/2"), "no part of a report"),
        (lambda d: d.update(schema="hub.trace/1"), "says it is hub.trace/1, and is not"),
        (lambda d: d.pop("schema"), "names no schema"),
        (lambda d: d["first_token_ms"].update(p50=float("nan")), "NaN is no JSON"),
    ],
)
def test_a_document_that_was_changed_is_not_used(
    benchmarks: Path, edit: Edit, change: Callable[[Any], object], said: str
) -> None:
    edit("gguf-benchmark.json", change)
    report = reported(benchmarks)
    (stranger,) = report.strangers
    assert (stranger.file, said in stranger.reason) == ("gguf-benchmark.json", True), stranger
    assert said.split()[0] in markdown(sections(report))
    assert "gguf-benchmark.json" not in {u.file for u in report.used}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b'"text"',
        b"[1]",
        b"null",
        b'{"schema": 1e999}',
        b'{"schema": 1}',
        b'{"schema": "other/1"}',
    ],
)
def test_what_is_no_document_is_named_and_left_out(benchmarks: Path, data: bytes) -> None:
    (benchmarks / "odd.json").write_bytes(data)
    (benchmarks / "notes.txt").write_text("not looked at")
    (stranger,) = reported(benchmarks).strangers
    assert stranger.file == "odd.json"
    assert stranger.reason


def test_a_document_cut_anywhere_is_not_used(benchmarks: Path) -> None:
    file = benchmarks / "apr-profile.json"
    data = file.read_bytes()
    for size in range(1, len(data) - 2, max(1, len(data) // 40)):
        file.write_bytes(data[:size])
        assert [s.file for s in gather(benchmarks).strangers] == ["apr-profile.json"]


def test_a_folder_without_measurements_has_no_report(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    for folder, said in ((".", "none of 1 JSON files is a measurement"), ("nowhere", "is no folder")):
        ran = hub("report", folder)
        assert (ran.code, said in ran.err, ran.out) == (2, True, ""), ran
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_a_report_replaces_nothing_unasked(hub: Any, benchmarks: Path, tmp_path: Path) -> None:
    assert "--force has no effect" in hub("report", benchmarks, "--force").err
    (tmp_path / "report.html").write_text("mine")
    ran = hub("report", benchmarks)
    assert (ran.code, "report.html" in ran.err) == (2, True)
    assert not (tmp_path / "report.md").exists()
    assert (tmp_path / "report.html").read_text() == "mine"
    assert hub("report", benchmarks, "--force").code == 0
    assert "Executive" in (tmp_path / "report.html").read_text()
    for name, said in (("report.txt", "is a .md file"), ("no/report.md", "folder does not exist")):
        ran = hub("report", benchmarks, "-o", name)
        assert (ran.code, said in ran.err) == (2, True)


def test_what_models_are_called_is_no_markup(benchmarks: Path, edit: Edit) -> None:
    name = "a|b<script>*x*\x1b[31m.gguf"
    for kind in ("benchmark", "profile", "trace"):
        edit(f"gguf-{kind}.json", lambda found: found["model"].update(path=name))
    edit("gguf-benchmark.json", lambda found: found.update(prompt="<b>|`"))
    report = reported(benchmarks)
    text, page = markdown(sections(report)), html(sections(report))
    assert "\x1b" not in text
    assert not re.search(r"(?<!\\)<script", text)
    assert "<script" not in page
    cells = {len(re.findall(r"(?<!\\)\|", row)) for row in text.splitlines() if row.startswith(r"| a\|b")}
    assert cells == {5}  # of the first tokens


def test_small_numbers_of_samples_are_told(benchmarks: Path) -> None:
    assert any("of 12 gaps" in line for line in reported(benchmarks).observations)
