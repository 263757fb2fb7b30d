import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub_runtime.loading import Wanted, load_any
from hub_runtime.measure import BenchSettings, Limit, Node, Phase, Tracer, bench, feed, profile

FEW = ("-p", "abcd", "-n", 5, "--iterations", 3, "--warmup", 0)


@pytest.fixture(scope="session")
def found(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUB_CACHE", str(tmp_path_factory.mktemp("cache")))
        with load_any(Wanted(tiny, gpu_layers=0)) as loaded:
            return profile(tiny, loaded, BenchSettings("abcd", 5, 3, 0))


def test_times_add_up(document: Any, tiny: Path) -> None:
    report = document("profile", "profile", tiny, *FEW)
    assert [(p["name"], p["passes"]) for p in report["phases"]] == [("prompt", 5), ("generation", 4)]
    for phase in report["phases"]:
        for parts in (phase["operations"], phase["layers"], [n for one in phase["layers"] for n in one["nodes"]]):
            assert sum(part["ms"] for part in parts) == pytest.approx(phase["ms"])
            assert sum(part["share"] for part in parts) == pytest.approx(1)
        assert [one["layer"] for one in phase["layers"]] == [0, 1, None]
        assert not {"VIEW", "RESHAPE", "PERMUTE"} & {o["name"] for o in phase["operations"]}
    assert report["token_ms"]["p95"] == pytest.approx(
        np.percentile([t for s in report["samples"] for t in s["token_ms"]], 95)
    )


def test_matrix_products_are_counted_as_the_architecture_has_them(found: Any) -> None:
    counts = {o.name: o.count for o in found.phases[1].operations}
    assert counts["MUL_MAT"] == 2 * 7 + 1  # q, k, v, output, gate, up, down in each of two layers, and the head
    assert counts["RMS_NORM"] == 2 * 2 + 1
    assert counts["SWIGLU"] == 2
    names = {n.name for n in found.phases[1].layers[0].nodes}
    assert {"Qcur MUL_MAT", "ffn_gate MUL_MAT", "ffn_swiglu SWIGLU", "l_out ADD"} <= names


def test_times_are_those_of_the_nodes(tiny: Path) -> None:
    """A node that takes long because somebody waits before it is seen: waiting counts for the node behind."""
    import time

    tracer, times = Tracer(), dict[str, int]()

    def wants(name: str) -> bool:
        if name == "ffn_out-1":
            time.sleep(0.05)
        return name in ("l_out-0", "ffn_out-1", "l_out-1")

    def see(node: Node, nanoseconds: int) -> None:
        times[node.name] = nanoseconds
        time.sleep(0.02)  # what `see` takes is counted for none

    with load_any(Wanted(tiny, gpu_layers=0)) as loaded, loaded.model.context(256, on_node=tracer) as context:
        feed(context, [1, 2, 3])
        with tracer.watching(wants, see):
            feed(context, [4], 3)
    assert times["ffn_out-1"] > 50e6
    assert times["l_out-1"] < 20e6


def test_limits_are_kept_or_not(judged: Any, tiny: Path) -> None:
    generous = ("--assert-p50", 1e6, "--assert-p95", 1e6, "--assert-p99", 1e6, "--assert-first-token", 1e6)
    more = ("--assert-throughput", 0.001, "--assert-memory", 1e6)
    code, report = judged("profile", "profile", tiny, *FEW, *generous, *more)
    assert (code, report["passed"]) == (0, True)
    assert len(report["assertions"]) == 6
    measured = {a["name"]: a["measured"] for a in report["assertions"]}
    assert measured["p95"] == report["token_ms"]["p95"]
    assert measured["first-token"] == report["first_token_ms"]["p95"]
    assert measured["memory"] == report["memory"]["peak"] / 2**20


@pytest.mark.parametrize(
    "limit",
    [
        ("--assert-p50", 0), ("--assert-p95", 0), ("--assert-p99", 0), ("--assert-first-token", 1e-6),
        ("--assert-throughput", 1e9), ("--assert-memory", 1),
    ],
)  # fmt: skip
def test_a_limit_that_is_not_kept_is_exit_code_1(judged: Any, tiny: Path, limit: tuple[str, object]) -> None:
    code, report = judged("profile", "profile", tiny, *FEW, *limit)
    assert (code, report["passed"]) == (1, False)


def test_what_was_not_measured_keeps_no_limit(tiny: Path) -> None:
    with load_any(Wanted(tiny, gpu_layers=0)) as loaded:
        report = bench(tiny, loaded, BenchSettings("a", 1, 1, 0))
    assert not Limit("p95", 1e9).judge(report).passed
    unknown = replace(report, memory=replace(report.memory, peak=None))
    assert Limit("memory", 1e9).judge(unknown).measured is None
    assert not Limit("memory", 1e9).judge(unknown).passed


def test_the_flame_chart_is_as_wide_as_the_times(hub: Any, tiny: Path, tmp_path: Path, found: Any) -> None:
    target = tmp_path / "flame.svg"
    assert hub("profile", tiny, *FEW, "--output", target).code == 0
    boxes = [e for e in ET.parse(target).getroot() if e.tag.endswith("rect")]  # noqa: S314  # we wrote it
    rows = {y: [float(b.attrib["width"]) + 0.5 for b in boxes if b.attrib["y"] == y] for y in ("0", "18", "36")}
    assert len(rows["0"]) == 2
    assert len(rows["18"]) == sum(len(p.layers) for p in found.phases)
    assert len(rows["36"]) == sum(len(one.nodes) for p in found.phases for one in p.layers)
    assert sum(rows["0"]) == pytest.approx(960, abs=0.1)
    assert sum(rows["18"]) == pytest.approx(960, abs=0.5)


def test_the_page_fetches_nothing(
    hub: Any, read_document: Callable[[str, str], Any], tiny: Path, tmp_path: Path
) -> None:
    page, data = tmp_path / "profile.html", tmp_path / "profile.json"
    assert hub("profile", tiny, *FEW, "--output", page, "--assert-p95", 0).code == 1
    assert hub("profile", tiny, *FEW, "--output", data).code == 0
    read_document(data.read_text(encoding="utf-8"), "profile")
    text = page.read_text(encoding="utf-8")
    tags = re.findall(r"<(\w+)", text)
    assert tags.count("svg") == 5
    assert not {"script", "link", "img"} & set(tags)
    assert "NOT KEPT" in text


def test_one_token_has_no_generation(document: Any, hub: Any, tiny: Path) -> None:
    report = document("profile", "profile", tiny, "-n", 1, "--iterations", 1)
    assert [p["name"] for p in report["phases"]] == ["prompt"]
    ran = hub("profile", tiny, "-n", 1, "--assert-p95", 5)
    assert ran.code == 2
    assert "no gap" in ran.err


def test_a_phase_has_shares_of_its_own(found: Any) -> None:
    for phase in found.phases:
        assert isinstance(phase, Phase)
        assert phase.ms > 0
        assert phase.untraced_ms > 0
