"""The same results for people, for CI, for a README and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree as Xml

from hub.inspection import counted
from hub.pipeline import Copier, Silent, Target, default_budget
from hub_conformance.runner._results import OUTCOMES, Exchange, Outcome, Verdict, document


def rows(verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """A line for each test: its name and how often each outcome came; empty where never."""
    for function, counts in verdict.by_function().items():
        yield function, *(counts[outcome] or "" for outcome in OUTCOMES)
    yield "all", *(verdict.counts[outcome] or "" for outcome in OUTCOMES)


def summary(verdict: Verdict) -> str:
    """One line on a format."""
    counted = ", ".join(f"{count} {outcome}" for outcome, count in verdict.counts.items() if count)
    return f"{verdict.format}: {'conformant' if verdict.conformant else 'NOT conformant'}: {counted or 'nothing ran'}"


def markdown(verdict: Verdict) -> str:
    """A block for the README of the plugin."""
    about = verdict.about
    installed = bool(about) and about["distribution"] != about["plugin"]
    named = f"{about['distribution']} {about['version']}" if installed else f"the module {verdict.format}"
    lines = [
        f"<!-- hub conformance {verdict.format} -->", "## Conformance", "",
        f"`{verdict.format}` of {named} is {'' if verdict.conformant else '**not** '}conformant by "
        f"hub-conformance {version('hub-conformance')}.", "",
        f"| test | {' | '.join(OUTCOMES)} |", f"|---|{'---:|' * len(OUTCOMES)}",
        *(f"| {' | '.join(map(str, row))} |" for row in rows(verdict)),
    ]  # fmt: skip
    for outcome in ("FAIL", "ERROR", "declared", "disabled"):
        reasons = Counter(r.reason for r in verdict.results if r.outcome == outcome)
        lines += ["", f"{outcome}:", ""] if reasons else []
        lines += [f"- {_plain(reason)} ({counted(count, 'test')})" for reason, count in reasons.items()]
    return "\n".join([*lines, "<!-- /hub conformance -->", ""])


def _plain(text: str) -> str:
    """Text that no Markdown reader takes for more than it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#" else c for c in _printable(text))


def junit(verdicts: Sequence[Verdict]) -> bytes:
    """JUnit XML: a suite for each format; what is declared or disabled is skipped, with its reason."""
    root = Xml.Element("testsuites", name="hub-conformance")
    for verdict in verdicts:
        counts = verdict.counts
        totals = {
            "tests": len(verdict.results), "failures": counts["FAIL"], "errors": counts["ERROR"],
            "skipped": counts["declared"] + counts["disabled"],
        }  # fmt: skip
        told = {"name": verdict.format} | {key: str(total) for key, total in totals.items()}
        suite = Xml.SubElement(root, "testsuite", told)
        for result in verdict.results:
            seconds = f"{result.seconds:.3f}"
            case = Xml.SubElement(suite, "testcase", classname=verdict.format, name=result.test, time=seconds)
            if result.outcome != "pass":
                kind = {"FAIL": "failure", "ERROR": "error"}.get(result.outcome, "skipped")
                Xml.SubElement(case, kind, message=_printable(f"{result.outcome}: {result.reason}"))
    return bytes(Xml.tostring(root, "utf-8", xml_declaration=True))


def _printable(text: str) -> str:
    """`text` without control characters: XML has none, and a terminal obeys them."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def publish(folder: Path, verdicts: Sequence[Verdict], *, overwrite: bool) -> None:
    """Write report.json, junit.xml and FORMAT.md into `folder`; all of them or none."""
    texts = {"report.json": json.dumps(document(verdicts), indent=1).encode() + b"\n", "junit.xml": junit(verdicts)}
    texts |= {f"{verdict.format}.md": markdown(verdict).encode() for verdict in verdicts}
    with Target(folder, Copier(default_budget(1), Silent()), folder=True, overwrite=overwrite) as target:
        for name, data in texts.items():
            target.create(name).write_bytes(data)
        target.commit()


_SIGNS: Mapping[Outcome, str] = {"pass": "pass", "declared": "declared", "FAIL": "**FAIL**", "ERROR": "**ERROR**"}


def matrix(verdicts: Sequence[Verdict]) -> str:
    """Who exchanges models with whom, as a Markdown table: a row writes, a column reads and gives back."""
    found: dict[tuple[str, str], Exchange] = {
        (e.source, e.target): e for verdict in verdicts for e in verdict.exchanges()
    }
    names = sorted({name for pair in found for name in pair})
    lines = [f"| from \\ to | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    lines += [f"| {a} | {' | '.join(_cells(a, names, found))} |" for a in names]
    reasons = [f"- {a} to {b}: {_plain(found[a, b].reason)}" for a, b in sorted(found) if found[a, b].reason]
    return "\n".join([*lines, *(["", *reasons] if reasons else []), ""])


def _cells(source: str, names: Iterable[str], found: Mapping[tuple[str, str], Exchange]) -> Iterator[str]:
    for target in names:
        exchange = found.get((source, target))
        yield "" if exchange is None else _SIGNS.get(exchange.outcome, exchange.outcome)
