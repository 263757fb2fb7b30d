"""A profile as a flame chart, or as a page with it and bars."""

from __future__ import annotations

from collections.abc import Sequence

from hub_runtime import pages as p
from hub_runtime.measure._profile import Phase, ProfileReport
from hub_runtime.measure._samples import Summary

_OPERATIONS = 20


def flame_chart(report: ProfileReport) -> str:
    """An SVG flame chart: the phases, their layers, and the nodes in those, as wide as the time they took."""
    return p.flame([_flame(phase) for phase in report.phases])


def _flame(phase: Phase) -> p.Flame:
    layers = [
        p.Flame(layer.name, layer.ms, [p.Flame(f"{layer.name}, {node.name}", node.ms, []) for node in layer.nodes])
        for layer in phase.layers
    ]
    return p.Flame(f"{phase.name}", phase.ms, layers)


def profile_page(report: ProfileReport) -> str:
    """The profile as a page."""
    parts = [p.paragraph(f"{report.model.description}, {report.threads} threads, prompt of {report.prompt_tokens}")]
    for a in report.assertions:
        said = "not measured" if a.measured is None else f"{a.measured:.3f}"
        parts.append(
            p.paragraph(f"{'kept' if a.passed else 'NOT KEPT'}: {a.name} {said}, limit {a.limit:g}", bad=not a.passed)
        )
    rows = [
        ("first token, ms", report.first_token_ms),
        ("further token, ms", report.token_ms),
        ("answer, ms", report.total_ms),
    ]
    head = ("", "P50", "P95", "P99", "mean", "min", "max", "samples")
    parts += [p.heading("Latency, without tracing"), p.table(head, [_row(*row) for row in rows])]
    parts += [p.heading("Where the time of one pass goes, every node timed"), flame_chart(report)]
    for phase in report.phases:
        parts += _phase(phase)
    return p.page(f"Profile of {report.model.path}", parts)


def _row(name: str, s: Summary | None) -> Sequence[object]:
    values = () if s is None else (s.p50, s.p95, s.p99, s.mean, s.min, s.max)
    return [name, *(f"{v:.3f}" for v in values), *([s.n] if s else [])]


def _phase(phase: Phase) -> list[str]:
    said = f"{phase.ms:.2f} ms a pass (medians of {phase.passes} with every node timed)"
    said += f", {phase.untraced_ms:.2f} ms the fastest without"
    operations = [(s.name, s.ms, f"{s.ms:.2f} ms, {s.share:.1%}") for s in phase.operations[:_OPERATIONS]]
    layers = [(s.name, s.ms, f"{s.ms:.2f} ms, {s.share:.1%}") for s in phase.layers]
    return [
        p.heading(f"{phase.name.capitalize()} by operation"), p.paragraph(said), p.bars(operations),
        p.heading(f"{phase.name.capitalize()} by layer"), p.bars(layers),
    ]  # fmt: skip
