"""The tables of what was measured, written into a document between two marks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.pages import fill
from benchmarks.runtime._results import TARGETS, read

MARK = "benchmarks.runtime"


def tabulate(results: Path, document: Path) -> None:
    """Write the tables of `results` into `document`, in place of what is between its marks."""
    fill(document, MARK, "\n".join(_lines(read(results))))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    runs = found["runs"]
    host = runs[0]["host"]
    rounds = "/".join(dict.fromkeys(str(run["rounds"]) for run in runs))
    yield (
        f"{host['processor']}, {host['cores']} cores, {runs[0]['threads']} thread(s), Python {host['python']}, "
        f"llama-cpp-python {host['llama_cpp_python']};\n{rounds} rounds of {runs[0]['tokens']} tokens. "
        "Medians, tokens per second unless the name says otherwise:\n"
    )
    names = [run["model"].removesuffix(".gguf") for run in runs]
    yield from _head("", names)
    for name in runs[0]["medians"]:
        yield _row(name, [_number(run["medians"].get(name)) for run in runs])
    yield "\nRatios of what was measured in the same round, their median and range; a miss is in bold:\n"
    yield from _head("", ["wanted", *names])
    for target in TARGETS:
        wanted = f"{'at least' if target.least else 'at most'} {target.bound}"
        yield _row(target.name, [wanted, *(_ratio(run, target.name) for run in runs)])
    if found["checks"]:
        yield "\nUnder load:\n"
        yield from _checks(found["checks"])


def _checks(checks: list[dict[str, Any]]) -> Iterator[str]:
    yield from _head("", [check["model"].removesuffix(".gguf") for check in checks])
    same = (f"{check['same']} of {check['prompts']}" for check in checks)
    yield _row("prompts with the same greedy tokens 8 at a time as alone", same)
    yield _row("KiB more after 500 requests", (str(check["growth_kib"]) for check in checks))
    crowd = (", ".join(f"{n} x {status}" for status, n in sorted(check["crowd"].items())) for check in checks)
    yield _row("64 requests at once, `--parallel 4 --queue 16`", crowd)


def _head(first: str, names: Iterable[str]) -> Iterator[str]:
    names = list(names)
    yield _row(first, names)
    yield _row("---", ["---:"] * len(names))


def _row(first: str, cells: Iterable[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if value < 2 else f"{value:.0f}"


def _ratio(run: dict[str, Any], name: str) -> str:
    if name not in run["ratios"]:
        return "-"
    least, middle, most = run["ratios"][name]
    text = f"{middle:.3f}"
    return f"{f'**{text}**' if name in run['missed'] else text} ({least:.2f} to {most:.2f})"
