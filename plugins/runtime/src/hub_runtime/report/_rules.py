"""Recommendations: which model for what, by rules that are stated, from numbers that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hub_runtime.report._columns import METRICS, Column, Metric, Value


@dataclass(frozen=True, slots=True)
class Rule:
    """Take the best by `metric`, for `purpose`, if it is ahead of the next by more than `margin` of that one's value.

    What was measured in several answers must be ahead in each of them: the worst of the best is better than the best of
    the next. Otherwise the choice would be one between two runs of the same.
    """

    name: str
    purpose: str
    metric: str
    margin: float

    def said(self) -> str:
        """The rule in words."""
        metric = BY_KEY[self.metric]
        best = "most" if metric.more_is_better else "least"
        each = " and in every answer" if metric.per_answer else ""
        return f"{best} {metric.title}, ahead of the next by more than {self.margin:.0%}{each}"


RULES = (
    Rule("size", "Edge devices and downloads", "file_size", 0.01),
    Rule("memory", "Machines with little memory", "memory", 0.05),
    Rule("throughput", "Long answers and servers", "throughput", 0.05),
    Rule("first token", "Chat", "first_token", 0.05),
    Rule("steadiness", "A bound on the wait for each token", "p99", 0.05),
    Rule("start", "Programs that start often", "load", 0.5),  # it is measured once
)
BY_KEY = {metric.key: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What a rule says of a `metric`: the label of the `choice` (None: none), `why`, `numbers` by label, best first."""

    rule: str
    purpose: str
    metric: str
    said: str
    choice: str | None
    why: str
    numbers: dict[str, float] = field(default_factory=dict)


def recommend(columns: Sequence[Column], rules: Sequence[Rule] = RULES) -> list[Recommendation]:
    """What each rule says about `columns`."""
    return [_applied(rule, columns) for rule in rules]


def _applied(rule: Rule, columns: Sequence[Column]) -> Recommendation:
    metric = BY_KEY[rule.metric]
    known = [c for c in columns if metric.key in c.values]
    ranked = sorted(known, key=lambda c: c.values[metric.key].number, reverse=metric.more_is_better)
    numbers = {c.label: c.values[metric.key].number for c in ranked}
    choice, why = _judged(rule, metric, ranked)
    return Recommendation(rule.name, rule.purpose, rule.metric, rule.said(), choice, why, numbers)


def _judged(rule: Rule, metric: Metric, ranked: Sequence[Column]) -> tuple[str | None, str]:
    if len(ranked) < 2:
        return None, f"{'one model' if ranked else 'no model'} has this number: nothing to choose between"
    apart = conditions_apart(ranked, metric.key)
    if apart:
        return None, f"not ranked, the numbers were measured under different conditions: {apart}"
    best, next_ = ranked[0], ranked[1]
    a, b = (c.values[metric.key].number for c in (best, next_))
    said = f"{metric.said(a)} ({best.label}) and {metric.said(b)} ({next_.label})"
    if abs(a - b) <= rule.margin * abs(b):
        return None, f"{said} are within {rule.margin:.0%}"
    if _overlap(best.values[metric.key], next_.values[metric.key], metric):
        return None, f"{said}, but not in every answer: their ranges overlap"
    return best.label, f"{said}, {abs(a - b) / abs(b):.0%} apart"


def _overlap(best: Value, next_: Value, metric: Metric) -> bool:
    """Whether some answer of the best was no better than some of the next."""
    worst, rival = (best.low, next_.high) if metric.more_is_better else (next_.low, best.high)
    return worst is not None and rival is not None and worst <= rival


def conditions_apart(columns: Sequence[Column], key: str) -> str:
    """In what the conditions differ that a number of `columns` was measured under; empty when they do not."""
    seen = [c.values[key].conditions for c in columns if key in c.values]
    known = [s for s in seen if s is not None]
    said = []
    for name in ("processor", "cores", "llama_cpp_python", "threads", "prompt", "max_tokens"):
        found = sorted({str(getattr(s, name)) for s in known})
        if len(found) > 1:
            said.append(f"{name.replace('_', ' ')} {' and '.join(text[:40] for text in found)}")
    return "; ".join(said)
