"""Draws and tabulates what `benchmarks.conversions` measured. Needs matplotlib.

    python -m benchmarks.chart benchmarks/results/conversions.json docs/conversions.svg docs/speed.md README.md

One panel a case, one bar a contestant: the median, with the fastest and the slowest run as a line across its end. Pages
get the same as a table, between their marks `conversions`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.pages import fill, rows

OURS, THEIRS = "#2a6f97", "#b8b8b8"


def draw(axes: Any, result: dict[str, Any]) -> None:
    """One case: bars from the fastest to the slowest, times and peak memory written behind them."""
    lines = sorted(result["contestants"].items(), key=lambda item: -item[1]["seconds"])
    names = [name for name, _ in lines]
    seconds = [line["seconds"] for _, line in lines]
    spread = [[s - line["fastest"] for s, (_, line) in zip(seconds, lines, strict=True)],
              [line["slowest"] - s for s, (_, line) in zip(seconds, lines, strict=True)]]  # fmt: skip
    colours = [OURS if name.startswith("hub") else THEIRS for name in names]
    axes.barh(names, seconds, xerr=spread, color=colours, ecolor="#555555", capsize=2)
    for place, (_, line) in enumerate(lines):
        text = f"  {line['seconds']:.1f} s, {line['peak_megabytes']:,.0f} MB"
        axes.text(line["slowest"], place, text, va="center", fontsize=7)
    axes.set_title(result["case"], fontsize=9, loc="left")
    axes.set_xlim(0, max(line["slowest"] for _, line in lines) * 1.35)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def tabulate(document: dict[str, Any]) -> str:
    """Where it was measured, and a line for each case: ours, then everybody else with what we take less."""
    host = document["host"]
    versions = ", ".join(
        f"{name} {host[name]}" for name in host if name not in {"machine", "system", "cores", "hub-core"}
    )
    where = f"{host['machine']}, {host['cores']} cores, {versions}; a model of {document['gigabytes']:g} GB as F16, "
    lines = [_line(result) for result in document["results"] if "hub" in result["contestants"]]
    head = (
        "",
        "hub",
        "without verification",
        "others: time, ratio to ours, ratio to ours without verification; memory",
    )
    runs = {len(line["samples"]) for result in document["results"] for line in result["contestants"].values()}
    rounds = " to ".join(str(number) for number in sorted({min(runs), max(runs)}))
    return f"{where}medians of {rounds} rounds.\n\n{rows(head, lines)}"


def _line(result: dict[str, Any]) -> tuple[str, ...]:
    found = result["contestants"]
    plain = found.get("hub --no-verify")
    theirs = [_beside(name, line, found["hub"], plain) for name, line in found.items() if not name.startswith("hub")]
    return result["case"], _figures(found["hub"]), _figures(plain) if plain else "", "; ".join(theirs)


def _beside(name: str, line: dict[str, Any], ours: dict[str, Any], plain: dict[str, Any] | None) -> str:
    ratios = [f"{line['seconds'] / one['seconds']:.1f}" for one in (ours, plain) if one]
    return f"{name} {line['seconds']:.2f} s, {' and '.join(ratios)} x, {line['peak_megabytes']:,.0f} MB"


def _figures(line: dict[str, Any]) -> str:
    return f"{line['seconds']:.2f} s, {line['peak_megabytes']:,.0f} MB"


def main(source: str, target: str, *pages: str) -> None:
    """Read the figures, write the chart and the tables."""
    mpl.rcParams["svg.hashsalt"] = "hub"  # the same figures give the same file
    mpl.rcParams["svg.fonttype"] = "none"  # letters, not their outlines
    document = json.loads(Path(source).read_text())
    for page in pages:
        fill(Path(page), "conversions", tabulate(document))
    results = [r for r in document["results"] if len(r["contestants"]) > 1]
    sizes = [len(r["contestants"]) + 1 for r in results]
    figure, panels = plt.subplots(
        len(results), 1, figsize=(7, 0.3 * sum(sizes) + 0.3 * len(sizes)), height_ratios=sizes, layout="constrained"
    )
    for axes, result in zip(panels if len(results) > 1 else [panels], results, strict=True):
        draw(axes, result)
    figure.supxlabel("seconds, median of the runs; peak resident memory", fontsize=8)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
