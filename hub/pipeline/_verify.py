"""Reading a result back through its own reader and comparing it with the source, value by value."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from hub.interface import Capabilities, Plan
from hub.ir import Change, Model, Tensor
from hub.pipeline._copy import Budget, Progress, each
from hub.pipeline._report import Outcome
from hub.pipeline.compare import Comparison, Difference, compare_configs, compare_tensors, compare_tokenizers


@dataclass
class Verification:
    """The comparisons by canonical name, and what failed; nothing compared is a failure."""

    comparisons: dict[str, Comparison] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def values(self) -> int:
        """Values compared."""
        return sum(c.compared for c in self.comparisons.values())


def verify(
    source: Model, result: Model, plan: Plan, holds: Capabilities, budget: Budget, progress: Progress
) -> Verification:
    """Compare `result`, as read back, with `source`, given what `plan` said would change."""
    done = Verification()
    changes = planned_changes(plan)
    wanted = {name: tensor for name, tensor in source.tensors.items() if name in changes}
    progress.start("verify", sum(t.nbytes for t in wanted.values()))
    lock = threading.Lock()
    documents: list[Difference] = []

    def one(name: str, tensor: Tensor) -> None:
        back = _counterpart(name, result)
        seen = None if back is None else compare_tensors(tensor, back.named(name), budget.values)
        with lock:
            if seen is not None:
                done.comparisons[name] = seen
        progress.advance(tensor.nbytes)

    works = [lambda: documents.extend(_documents(source, result, holds))]
    works += [partial(one, *item) for item in wanted.items()]
    each(works, lambda work: work(), budget.jobs)
    for name in wanted:
        _judge(name, done.comparisons.get(name), changes[name], done)
    if not done.values and any(t.size for t in wanted.values()):
        done.failures.append("nothing was compared")
    if not wanted:
        done.failures.append("nothing was compared: the plan carries no tensor of the source")
    done.failures += [str(d) for d in documents]
    return done


def planned_changes(plan: Plan) -> dict[str, Change]:
    """By canonical name, the strongest change of the target tensors that hold it."""
    changes: dict[str, Change] = {}
    for planned in plan.tensors:
        for name in planned.sources:
            changes[name] = max(planned.change, changes.get(name, Change.SAME))
    return changes


def _counterpart(name: str, result: Model) -> Tensor | None:
    return result.tensors.get(name) or result.tensors.get(result.ties.get(name, ""))


def _judge(name: str, seen: Comparison | None, planned: Change, done: Verification) -> None:
    """The outcome of one tensor, and a failure when it is worse than the plan allows."""
    if seen is None:
        done.outcomes[name] = "FAILED"
        done.failures.append(f"tensor {name!r} is missing in the result")
        return
    if seen.equal:
        done.outcomes[name] = _equal_outcome(seen, planned)
        return
    problem = _problem(seen, planned)
    done.outcomes[name] = "FAILED" if problem else "re-encoded"
    if problem:
        done.failures.append(f"tensor {name!r}: {problem}")


def _equal_outcome(seen: Comparison, planned: Change) -> Outcome:
    if seen.verdict == "same bytes" and planned <= Change.MOVED:
        return "rows moved" if planned is Change.MOVED else "same bytes"
    return "exact"


def _problem(seen: Comparison, planned: Change) -> str:
    """Why this difference is not allowed; empty when it is a planned re-encoding that made nothing worse."""
    if seen.verdict in {"shape", "kind"}:
        return seen.detail
    if seen.new_nan or seen.new_inf:
        return f"{seen.new_nan} NaN and {seen.new_inf} Inf that the source does not have"
    if seen.lost:
        return f"{seen.lost} NaN or Inf of the source became finite"
    if planned is not Change.RECODED:
        index, a, b = seen.first or (0, 0.0, 0.0)
        what = seen.detail or f"{seen.different} of {seen.compared} values differ, first at {index}: {a!r} became {b!r}"
        return f"planned as {planned}, but {what}; max_abs {seen.max_abs:g}"
    return ""


def _documents(source: Model, result: Model, holds: Capabilities) -> list[Difference]:
    """Config, tokenizer, ties and companion files that did not come back as they were."""
    out: list[Difference] = []
    if holds.config:
        weights = _torch_dtype(result)
        differences = compare_configs(source.config, result.config)
        out += [d for d in differences if not (d.key in _OF_WEIGHTS and d.b == weights)]
    if holds.tokenizer:
        out += compare_tokenizers(source.tokenizer.get(), result.tokenizer.get())
    if holds.ties and not _ties_hold(source.ties, result):
        out.append(Difference("ties", dict(source.ties), dict(result.ties)))
    return out


# What config.json says of the weights, and not of the model: it follows them when they are re-encoded.
_OF_WEIGHTS = {"config.torch_dtype", "config.dtype"}
_TORCH = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def _torch_dtype(model: Model) -> str | None:
    """What torch calls the type of most of the floating weights."""
    sizes = Counter[str]()
    for tensor in model.tensors.values():
        if tensor.encoding.kind == "float":
            sizes[tensor.encoding.name] += tensor.nbytes
    return _TORCH.get(max(sizes, key=lambda name: sizes[name])) if sizes else None


def _ties_hold(ties: Mapping[str, str], result: Model) -> bool:
    return all(result.ties.get(alias) == name or alias in result.tensors for alias, name in ties.items())
