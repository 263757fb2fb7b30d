"""Promises about what is measured: benchmarks, latencies, memory, traces."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.course import model
from tests.course.check import CAPSTONE, Check, below, promise, read
from tests.course.scene import Seen

TRACES = [Path(f"/tmp/{name}-trace.json") for name in ("gguf", "safetensors", "apr")]  # noqa: S108  # the course's


def benchmark(path: str, iterations: int, warmup: int) -> Check:
    """`showcase --output` leaves what the summary table of 4.4 asks for."""

    @promise(f"`{path}` fits its schema: {iterations} samples, load time, tokens/s, P50, P99, first token, peak memory")
    def measured(seen: Seen) -> None:
        found = read(seen.folder / path, "bench")
        assert (found["iterations"], found["warmup"], len(found["samples"])) == (iterations, warmup, iterations)
        assert found["model"]["load_ms"] > 0
        assert found["generation_tokens_per_second"]["p50"] > 0
        assert 0 < found["token_ms"]["p50"] <= found["token_ms"]["p99"]
        assert found["first_token_ms"]["p50"] > 0
        assert found["memory"]["peak"] > 0

    return measured


@promise("P50, P95 and P99 of the first token and of each further one, in order")
def percentiles(seen: Seen) -> None:
    """`profile` prints the latencies of 4.2."""
    head, *rows = seen.out.splitlines()
    assert head.split()[:3] == ["P50", "P95", "P99"]
    for name in ("first token, ms", "further token, ms"):
        (row,) = [row for row in rows if row.startswith(name)]
        p50, p95, p99 = map(float, re.findall(r"[\d.]+", row)[:3])
        assert 0 < p50 <= p95 <= p99


def trace(path: str, *, memory: bool = False) -> Check:
    """`trace --trace-output` leaves a document, with memory where it was asked for."""
    also = ", with the memory of weights, cache and buffers" if memory else ""

    @promise(f"`{path}` fits its schema: every layer, no NaN, `.first_token.argmax`{also}")
    def traced(seen: Seen) -> None:
        found = read(seen.folder / path, "trace")
        assert len(found["layers"]) == model.LAYERS
        assert found["first_nan"] is None
        assert found["first_token"]["argmax"] == found["first_token"]["top"][0]["token"]
        assert found["memory"]["weights"] > 0 if memory else found["memory"] is None

    return traced


@promise("one number: the token with which the sentence begins that these weights know")
def argmax(seen: Seen) -> None:
    """`jq` finds it."""
    assert re.fullmatch(r"\d+\n", seen.out)
    found = json.loads(TRACES[0].read_text(encoding="utf-8"))["first_token"]
    assert (int(seen.out), found["text"]) == (found["argmax"], model.ANSWER.split()[0])


@promise("the same number for all three formats")
def same_argmax(seen: Seen) -> None:
    """5.2: "first token predictions match"."""
    assert len({one.out for one in seen.scene.rans[-3:]}) == 1


def asked_of_a_report() -> list[str]:
    """The sections that 7.1 asks for."""
    return re.findall(r"^\d\. \*\*(.+?)\*\*", below("### 7.1 Benchmark Report"), re.MULTILINE)


def metrics() -> list[str]:
    """The rows of the summary table of 4.4."""
    table = CAPSTONE.partition("### 4.4")[2].partition("---\n\n##")[0]
    return re.findall(r"^\| \*\*(.+?)\*\* \|", table, re.MULTILINE)


@promise("the sections that 7.1 asks for, in its order, and in its table every metric of 4.4 for all three formats")
def report(seen: Seen) -> None:
    """`report` writes what the course wants from its benchmarks."""
    text = (seen.folder / "report.md").read_text(encoding="utf-8")
    assert len(asked_of_a_report()) == 5
    places = [text.index(f"## {name}") for name in asked_of_a_report()]
    assert places == sorted(places)
    assert len(metrics()) == 7
    for name in metrics():
        cells = re.findall(rf"^\| {name}\b.*\|$", text, re.MULTILINE | re.IGNORECASE)[0].split("|")[2:-1]
        assert len(cells) == 3
        assert all(re.search(r"\d", cell) for cell in cells), name
