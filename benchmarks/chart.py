"""Draws what conversions.py measured: chart.py RESULTS.json CHART.svg. Needs matplotlib.

One panel a case, one bar a contestant: the median, with the fastest and the slowest run as a line across its end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

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


def main(source: str, target: str) -> None:
    """Read the figures and write the chart."""
    mpl.rcParams["svg.hashsalt"] = "hub"  # the same figures give the same file
    document = json.loads(Path(source).read_text())
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
