"""A trace, or two side by side, as a page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hub_runtime import pages as p
from hub_runtime.measure._departure import Departure, TraceComparison
from hub_runtime.measure._trace import NodeTrace, TraceReport

_SHOWN = 128  # tokens of a heat map

NODE_HEAD = ("node", "rows", "ms", "min", "max", "mean", "std", "L2", "NaN", "Inf", "zeros")


def trace_page(report: TraceReport) -> str:
    """The trace as a page: a heat map of layers by tokens, times, statistics and what comes next."""
    return p.page(f"Trace of {report.model.path}", _parts(report))


def comparison_page(found: TraceComparison) -> str:
    """Two traces as a page: layer by layer how far they are apart, then each."""
    said = verdict(found)
    parts = [p.paragraph(said, bad=found.first_departure is not None), p.bars([_bar(n) for n in found.nodes])]
    if not all(n.equal for n in found.nodes):
        rows = [(n.node, [math.nan if v is None else v for v in n.row_relative]) for n in found.nodes]
        parts += [p.heading("How far apart by layer and token"), _heat(found.ours, rows)]
    for report in (found.ours, found.other):
        parts += [p.heading(report.model.path), *_parts(report)]
    return p.page(f"{found.ours.model.path} and {found.other.model.path}", parts)


def verdict(found: TraceComparison) -> str:
    """One sentence on where the models part."""
    first = found.first_departure
    argmax = f"the likeliest next token is {'the same' if found.same_argmax else 'another'}"
    if first is None:
        return f"no node departs by more than {found.tolerance:g} of its length; {argmax}"
    cosine = "not finite" if first.cosine is None else f"cosine {first.cosine:.9f}"
    return f"{first.node} is the first to depart by more than {found.tolerance:g} of its length: {cosine}; {argmax}"


def _bar(n: Departure) -> tuple[str, float, str]:
    if n.relative is None or n.cosine is None:
        return n.node, 0.0, "not finite, or zero"
    return n.node, n.relative, f"{n.relative:.3g} apart, cosine {n.cosine:.6f}"


def _parts(r: TraceReport) -> list[str]:
    nodes = [t for t in (r.embedding, *r.layers, r.norm, r.logits) if t is not None]
    where = f"{r.threads} threads, {r.pass_ms:.1f} ms with tracing"
    parts = [p.paragraph(f"{len(r.tokens)} tokens, {r.model.description}, {where}")]
    if r.first_nan is not None:
        at = f"row {r.first_nan.row}, column {r.first_nan.column}"
        parts.append(p.paragraph(f"first NaN: {r.first_nan.node} ({r.first_nan.op}), {at}", bad=True))
    parts += [p.heading("Root mean square by layer and token"), _heat(r, [(t.node, t.row_rms) for t in nodes])]
    parts += [p.heading("Time by node"), p.bars([(t.node, t.ms, f"{t.ms:.3f} ms") for t in nodes])]
    parts += [p.heading("Statistics"), p.table(NODE_HEAD, [node_cells(t) for t in nodes])]
    if r.first_token is not None:
        rows = [(repr(c.text), c.token, f"{c.logit:.4f}", f"{c.probability:.4f}") for c in r.first_token.top]
        parts += [p.heading("What comes next"), p.table(("text", "token", "logit", "probability"), rows)]
    return parts


def _heat(r: TraceReport, nodes: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    """Layers by tokens; a node that was computed for the last tokens alone has its cells there."""
    tokens = [f"token {i} {t.text!r}" for i, t in enumerate(r.tokens)]
    shown = min(len(tokens), _SHOWN)
    rows = [(node, [*[None] * (len(tokens) - len(values)), *values][-shown:]) for node, values in nodes]
    said = "" if shown == len(tokens) else p.paragraph(f"the last {shown} of {len(tokens)} tokens")
    return said + p.heat_map(tokens[-shown:], rows)


def node_cells(t: NodeTrace) -> list[object]:
    """A table's row of statistics."""
    numbers = ["-" if v is None else f"{v:.5g}" for v in (t.min, t.max, t.mean, t.std, t.l2)]
    return [t.node, t.rows, f"{t.ms:.2f}", *numbers, t.nan, t.inf, t.zeros]
