"""Two models' passes over one prompt, side by side: where they part."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hub.errors import UsageError
from hub_runtime.loading import Loaded
from hub_runtime.measure._nodes import Values
from hub_runtime.measure._trace import Kept, NodeTrace, TraceReport, TraceSettings, trace
from hub_runtime.prompting import prompt_of

Exact = NDArray[np.float64]

LIMIT = 1 << 30  # bytes of layer values held at once


@dataclass(frozen=True, slots=True)
class Departure:
    """How far node `node` of the other model is from ours, over all its values.

    `cosine` is None when one side is all zeros or not finite; `relative` is the length of the difference over the
    length of ours, and `row_relative` the same for each token's row; `equal` means bit for bit.
    """

    layer: int | None
    node: str
    equal: bool
    cosine: float | None
    relative: float | None
    max_abs: float | None
    row_relative: list[float | None]


@dataclass(frozen=True, slots=True)
class TraceComparison:
    """Two traces. `first_departure` is the first node whose `relative` is over `tolerance`, or that is not finite."""

    ours: TraceReport
    other: TraceReport
    tolerance: float
    nodes: list[Departure]
    first_departure: Departure | None
    same_argmax: bool


Load = Callable[[Path], AbstractContextManager[Loaded]]


def compare_traces(
    load: Load, ours: Path, other: Path, settings: TraceSettings, tolerance: float = 0.0
) -> TraceComparison:
    """Trace both models, one after the other, and compare layer by layer.

    `UsageError` when they do not read the same tokens, differ in layers or width, or the prompt is too long to hold.
    """
    kept: list[Kept] = [{}, {}]
    reports, templates = [], False
    for path, keep in zip((ours, other), kept, strict=True):
        with load(path) as loaded:
            own = replace(settings, raw=settings.raw and loaded.model.template is not None)
            templates |= loaded.model.template is not None
            _refuse_huge(loaded, own)
            reports.append(trace(path, loaded, own, keep))
    if settings.raw and not templates:
        raise UsageError("--raw has no effect: neither model has a chat template")
    a, b = reports
    _refuse_unlike(a, b)
    nodes = [departure(t.node, t.layer, *(np.concatenate(k[t.node]) for k in kept)) for t in _common(a, b)]
    first = next((n for n in nodes if _departs(n, tolerance)), None)
    same = a.first_token is not None and b.first_token is not None and a.first_token.argmax == b.first_token.argmax
    return TraceComparison(a, b, tolerance, nodes, first, same)


def _refuse_huge(loaded: Loaded, settings: TraceSettings) -> None:
    model = loaded.model
    tokens = len(prompt_of(model, settings.prompt, raw=settings.raw).tokens)
    needed = 2 * 4 * tokens * model.n_embd * (model.n_layer + 2)
    if needed > LIMIT:
        raise UsageError(
            f"comparing {tokens} tokens takes {needed} bytes, at most {LIMIT} are held: shorten the prompt"
        )


def _refuse_unlike(a: TraceReport, b: TraceReport) -> None:
    if a.tokens != b.tokens:
        at = next((i for i, (x, y) in enumerate(zip(a.tokens, b.tokens, strict=False)) if x != y), None)
        where = "in their number" if at is None else f"at {at}: {a.tokens[at]} and {b.tokens[at]}"
        raise UsageError(f"the models read different tokens, {where}", file=b.model.path)
    shapes = [[(t.node, t.rows, t.width) for t in r.layers] for r in (a, b)]
    if shapes[0] != shapes[1]:
        sizes = " and ".join(f"{len(s)} layers of width {s[0][2]}" for s in shapes)
        raise UsageError(f"the models cannot be laid side by side: {sizes}", file=b.model.path)


def _common(a: TraceReport, b: TraceReport) -> list[NodeTrace]:
    """Nodes of both that have the same shape, in order."""
    found = [t for t in (a.embedding, *a.layers, a.norm, a.logits) if t is not None]
    shapes = {t.node: (t.rows, t.width) for t in (b.embedding, *b.layers, b.norm, b.logits) if t is not None}
    return [t for t in found if shapes.get(t.node) == (t.rows, t.width)]


def departure(node: str, layer: int | None, ours: Values, other: Values) -> Departure:
    """How far `other` is from `ours`, of one shape (rows, width)."""
    equal = ours.tobytes() == other.tobytes()
    x, y = ours.astype(np.float64), other.astype(np.float64)
    rows = [_relative(a, b) for a, b in zip(x, y, strict=True)]
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return Departure(layer, node, equal, None, None, None, rows)
    lengths = (_length(x), _length(y))
    cosine = float((x * y).sum()) / (lengths[0] * lengths[1]) if all(lengths) else None
    return Departure(layer, node, equal, cosine, _relative(x, y), float(np.abs(x - y).max()), rows)


def _relative(x: Exact, y: Exact) -> float | None:
    """The length of the difference over that of `x`; None where that is 0 or something is not finite."""
    length = _length(x)
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or (not length and y.any()):
        return None
    return _length(x - y) / length if length else 0.0


def _length(x: Exact) -> float:
    return float(np.sqrt((x * x).sum()))


def _departs(node: Departure, tolerance: float) -> bool:
    return not node.equal and (node.relative is None or node.relative > tolerance)
