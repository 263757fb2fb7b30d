"""What `hub diff` finds: two models, whatever their formats, compared fact by fact and value by value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from hub.errors import UsageError
from hub.inspection._canonical import canonical
from hub.inspection._numbers import counted
from hub.ir import Model, Tensor
from hub.opening import open_model
from hub.pipeline import Progress, Silent, matches
from hub.pipeline.compare import Comparison, compare_tensors, differing_values
from hub.statistics._threads import in_order
from hub.verdicts._facts_diff import FactDifference, compare_facts

Verdict = Literal[
    "same bytes", "equal values", "within tolerance", "differs", "shape", "kind", "only in a", "only in b"
]
Pair = tuple[str, Tensor | None, Tensor | None]


@dataclass(frozen=True, slots=True)
class Side:
    """What a tensor is on one side."""

    shape: tuple[int, ...]
    encoding: str


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """How one tensor compares. `first` is the first value that differs: its flat index, a's value, b's value.

    `values` are the first ones that differ, likewise, as many as asked for. `max_abs`, `rmse` and `cosine` are None
    where nothing could be compared.
    """

    name: str
    verdict: Verdict
    detail: str
    a: Side | None
    b: Side | None
    different: int = 0
    max_abs: float | None = None
    rmse: float | None = None
    cosine: float | None = None
    new_nan: int = 0
    new_inf: int = 0
    lost: int = 0
    first: tuple[int, float, float] | None = None
    values: tuple[tuple[int, float, float], ...] = ()

    @property
    def equal(self) -> bool:
        """True when this tensor is no reason to call the models different."""
        return self.verdict in {"same bytes", "equal values", "within tolerance"}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tensors and values were compared, and how that ended; `facts_differ` is None when no fact was."""

    tensors_a: int
    tensors_b: int
    compared: int
    values: int
    same_bytes: int
    equal_values: int
    within_tolerance: int
    differ: int
    only_in_a: int
    only_in_b: int
    facts_differ: int | None


@dataclass(frozen=True, slots=True)
class DiffReport:
    """Whether two models are equal, and every difference.

    `tensors` holds those that differ, or all, as many as asked for; `omitted` counts the others. `facts` is None when
    tensors alone were compared.
    """

    a: Path
    b: Path
    format_a: str
    format_b: str
    equal: bool
    reason: str
    tolerance: float
    counts: Counts
    facts: tuple[FactDifference, ...] | None
    tensors: tuple[TensorDifference, ...]
    omitted: int


def diff(
    a: Path,
    b: Path,
    *,
    tolerance: float = 0.0,
    pattern: str | None = None,
    limit: int | None = None,
    facts: bool = True,
    every: bool = False,
    values: int = 0,
    progress: Progress | None = None,
) -> DiffReport:
    """Compare the models at `a` and `b`. With `pattern`, only tensors that match; `limit` shortens the list only.

    Without `facts`, tensors alone. `every` lists equal tensors as well; `values` is how many values that differ to show
    of each.

    `tolerance` is the largest absolute difference of a value that still counts as equal; a NaN or Inf that only one
    side has never does. Comparing nothing is a difference.
    """
    (format_a, model_a), (format_b, model_b) = open_model(a), open_model(b)
    pairs = [p for p in _pairs(model_a, model_b) if pattern is None or matches(p[0], pattern)]
    if pattern is not None and not pairs:
        raise UsageError(f"--filter {pattern!r} matches no tensor of either model")
    work = in_order(lambda pair: _compared(pair, tolerance, values), pairs, _nbytes, progress or Silent(), "compare")
    results = [result for _, result in work]
    same_format = format_a.name if format_a.name == format_b.name else None
    said = tuple(compare_facts(model_a, model_b, same_format)) if facts else None
    counts = _counts(model_a, model_b, results, said)
    wanted = [r for r, _ in results if every or not r.equal]
    shown = wanted if limit is None else wanted[:limit]
    reason = _reason(counts)
    return DiffReport(
        a, b, format_a.name, format_b.name, not reason, reason or "equal", tolerance,
        counts, said, tuple(shown), len(wanted) - len(shown),
    )  # fmt: skip


def _pairs(a: Model, b: Model) -> list[Pair]:
    """Tensors of the same canonical name; a tie on one side meets the copy on the other."""
    (left, ties_a), (right, ties_b) = canonical(a), canonical(b)
    left |= {alias: left[of] for alias, of in ties_a.items() if alias in right and of in left}
    right |= {alias: right[of] for alias, of in ties_b.items() if alias in left and of in right}
    return [(name, left.get(name), right.get(name)) for name in [*left, *(n for n in right if n not in left)]]


def _nbytes(pair: Pair) -> int:
    _, a, b = pair
    return a.nbytes + b.nbytes if a and b else 0


def _compared(pair: Pair, tolerance: float, values: int) -> tuple[TensorDifference, int]:
    """How the two compare, with the first `values` that differ, and how many values that took."""
    name, a, b = pair
    if a is None or b is None:
        return TensorDifference(name, "only in b" if a is None else "only in a", "", _side(a), _side(b)), 0
    seen = compare_tensors(a, b)
    verdict: Verdict = "within tolerance" if tolerance and _tolerable(seen, tolerance) else seen.verdict
    known = seen.compared > 0
    found = TensorDifference(
        name,
        verdict,
        seen.detail,
        _side(a),
        _side(b),
        seen.different,
        seen.max_abs if known else None,
        seen.rmse if known else None,
        seen.cosine if known else None,
        seen.new_nan,
        seen.new_inf,
        seen.lost,
        seen.first,
    )
    if values and seen.different:
        found = replace(found, values=tuple(islice(differing_values(a, b), values)))
    return found, seen.compared


def _side(tensor: Tensor | None) -> Side | None:
    return None if tensor is None else Side(tensor.shape, tensor.encoding.name)


def _tolerable(seen: Comparison, tolerance: float) -> bool:
    spoiled = seen.new_nan or seen.new_inf or seen.lost
    return seen.verdict == "differs" and not spoiled and seen.max_abs <= tolerance


def _counts(
    a: Model, b: Model, results: Iterable[tuple[TensorDifference, int]], facts: Iterable[FactDifference] | None
) -> Counts:
    verdicts = [r.verdict for r, _ in results]
    alone = verdicts.count("only in a"), verdicts.count("only in b")
    return Counts(
        tensors_a=len(a.tensors),
        tensors_b=len(b.tensors),
        compared=len(verdicts) - sum(alone),
        values=sum(n for _, n in results),
        same_bytes=verdicts.count("same bytes"),
        equal_values=verdicts.count("equal values"),
        within_tolerance=verdicts.count("within tolerance"),
        differ=sum(verdicts.count(v) for v in ("differs", "shape", "kind")),
        only_in_a=alone[0],
        only_in_b=alone[1],
        facts_differ=None if facts is None else sum(f.counts for f in facts),
    )


def _reason(counts: Counts) -> str:
    """Why the models are not equal; empty when they are."""
    if not counts.compared:
        return "nothing was compared: no tensor has the same name on both sides"
    said = [
        (counts.differ, "differing tensor"),
        (counts.only_in_a, "missing tensor"),
        (counts.only_in_b, "extra tensor"),
        (counts.facts_differ, "differing fact"),
    ]
    return ", ".join(counted(n, what) for n, what in said if n)
