"""Results: what each test said of a format, and what follows from it."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Literal, get_args

Outcome = Literal["pass", "FAIL", "declared", "disabled", "ERROR"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_BAD = frozenset({"FAIL", "ERROR"})
_EXCHANGES = {"test_arrives_and_comes_back": False, "test_visits_and_goes_home": True}


@dataclass(frozen=True, slots=True)
class Result:
    """What one test said: `test` is its name with its argument, `reason` one line for all but a pass."""

    test: str
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0

    @property
    def function(self) -> str:
        """The test without its argument."""
        return self.test.partition("[")[0]

    @property
    def argument(self) -> str:
        """What the test was run on; empty when it takes nothing."""
        return self.test.partition("[")[2].removesuffix("]")


@dataclass(frozen=True, slots=True)
class Exchange:
    """Models of format `source` as format `target`, and back: the worst outcome of all vectors."""

    source: str
    target: str
    outcome: Outcome
    reason: str = ""


@dataclass
class Verdict:
    """All results of one format; `about` names the plugin that brings it."""

    format: str
    about: Mapping[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    @property
    def counts(self) -> dict[Outcome, int]:
        """Tests by outcome."""
        found = Counter(result.outcome for result in self.results)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @property
    def conformant(self) -> bool:
        """True when something passed and nothing failed."""
        counts = self.counts
        return counts["pass"] > 0 and not counts["FAIL"] and not counts["ERROR"]

    @property
    def bad(self) -> list[Result]:
        """The results that stand against the format."""
        return [result for result in self.results if result.outcome in _BAD]

    def by_function(self) -> dict[str, Counter[Outcome]]:
        """Outcomes of each test, whatever it was run on."""
        found: dict[str, Counter[Outcome]] = {}
        for result in self.results:
            found.setdefault(result.function, Counter())[result.outcome] += 1
        return found

    def exchanges(self) -> list[Exchange]:
        """What became of the models that were exchanged with each peer."""
        groups: dict[tuple[str, str], list[Result]] = {}
        for result in self.results:
            peer, slash, _ = result.argument.partition("/")
            if result.function in _EXCHANGES and slash:
                pair = (peer, self.format) if _EXCHANGES[result.function] else (self.format, peer)
                groups.setdefault(pair, []).append(result)
        worst = {pair: max(found, key=lambda r: _RANK[r.outcome]) for pair, found in groups.items()}
        return [Exchange(a, b, found.outcome, found.reason) for (a, b), found in worst.items()]


_RANK = {outcome: rank for rank, outcome in enumerate(("pass", "declared", "disabled", "FAIL", "ERROR"))}


def document(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The report as JSON (schemas/report.json)."""
    return {
        "schema": "hub.conformance/1",
        "suite": version("hub-conformance"),
        "hub": version("hub-core"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "conformant": all(verdict.conformant for verdict in verdicts),
        "formats": [
            {
                "format": verdict.format,
                "about": dict(verdict.about),
                "conformant": verdict.conformant,
                "counts": dict(verdict.counts),
                "exchanges": [
                    {"source": e.source, "target": e.target, "outcome": e.outcome, "reason": e.reason}
                    for e in verdict.exchanges()
                ],
                "tests": [
                    {"test": r.test, "outcome": r.outcome, "reason": r.reason, "seconds": round(r.seconds, 3)}
                    for r in verdict.results
                ],
            }
            for verdict in verdicts
        ],
    }
