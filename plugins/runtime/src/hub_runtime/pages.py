"""Pages and charts that need nothing but themselves: HTML with inline SVG, no script, no network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #e3e6ea; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; }
.prose td, .prose th { text-align: left; white-space: normal; vertical-align: top; }
figure { margin: 1rem 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
.bad { color: #b00020; font-weight: 600; } svg { max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) { body { background: #15181c; color: #e6e8eb; } td, th { border-color: #333a42; }
.bad { color: #ff7b89; } svg text { fill: #e6e8eb; } }
"""

# Five colours of the map "viridis", from least to most; between them it is linear.
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_BAD = "#b00020"
_WIDTH, _LABEL, _ROW = 960, 150, 18


def page(title: str, parts: Iterable[str]) -> str:
    """A whole HTML page; `parts` are HTML."""
    head = f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
    return "\n".join([head, f"<h1>{escape(title)}</h1>", *parts, "</html>\n"])


def heading(text: str) -> str:
    """A heading inside a page, and the name to go to it by: "results-table"."""
    name = "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
    return f'<h2 id="{name}">{escape(text)}</h2>'


def paragraph(text: str, *, bad: bool = False) -> str:
    """A paragraph, red when it is `bad` news."""
    return f"<p{' class=bad' if bad else ''}>{escape(text)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, prose: bool = False) -> str:
    """A table; the first column is text, the others are numbers, or text too if it is `prose`."""
    lines = ["".join(f"<th>{escape(h)}</th>" for h in head)]
    lines += ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    return f"<table{' class=prose' if prose else ''}>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def items(lines: Sequence[str]) -> str:
    """A list; nothing when it is empty."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>" if lines else ""


def figure(title: str, chart: str) -> str:
    """A chart, which is SVG, under its title."""
    return f"<figure><figcaption>{escape(title)}</figcaption>{chart}</figure>"


def colour(share: float) -> str:
    """The colour at `share` of the way from least (0) to most (1)."""
    place = min(max(share, 0.0), 1.0) * (len(_COLOURS) - 1)
    low = min(int(place), len(_COLOURS) - 2)
    mixed = [round(a + (b - a) * (place - low)) for a, b in zip(_COLOURS[low], _COLOURS[low + 1], strict=True)]
    return f"#{mixed[0]:02x}{mixed[1]:02x}{mixed[2]:02x}"


def heat_map(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    """An SVG heat map on a logarithmic scale; each row is a label and a value for each column.

    A value of None leaves its cell empty, one that is not finite makes it red; values are shown on hovering.
    """
    sizes = [math.log10(v) for _, values in rows for v in values if v is not None and math.isfinite(v) and v > 0]
    low, high = (min(sizes), max(sizes)) if sizes else (0.0, 0.0)
    width = (_WIDTH - _LABEL) / max(len(columns), 1)
    cells = []
    for r, (label, values) in enumerate(rows):
        cells.append(_text(0, r * _ROW + 13, label))
        for c, value in enumerate(values):
            if value is not None:
                tip = f"{label}, {columns[c]}: {value:.6g}"
                cells.append(_box(_LABEL + c * width, r * _ROW, width, _heat(value, low, high), tip))
    scale = f"{10**low:.3g} (dark) to {10**high:.3g} (bright), logarithmic; red is not finite"
    cells.append(_text(_LABEL, len(rows) * _ROW + 13, scale))
    return _svg((len(rows) + 1) * _ROW, cells)


def _heat(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return _BAD
    if value <= 0 or high == low:
        return colour(0.0)
    return colour((math.log10(value) - low) / (high - low))


def bars(rows: Sequence[tuple[str, float, str]]) -> str:
    """An SVG bar chart; each row is a label, a length and what is said beside the bar."""
    longest = max((length for _, length, _ in rows), default=0.0) or 1.0
    left = max(_LABEL, min(7 * max((len(label) for label, _, _ in rows), default=0), _WIDTH // 2))
    room = _WIDTH - left - 190
    parts = []
    for r, (label, length, said) in enumerate(rows):
        width = room * length / longest
        parts.append(_text(0, r * _ROW + 13, label))
        parts.append(_box(left, r * _ROW, width, colour(length / longest), f"{label}: {said}"))
        parts.append(_text(left + width + 6, r * _ROW + 13, said))
    return _svg(len(rows) * _ROW, parts)


@dataclass(frozen=True, slots=True)
class Flame:
    """A box of a flame chart: what it is, how wide in any unit, and what it consists of."""

    label: str
    size: float
    parts: Sequence[Flame]


def flame(roots: Sequence[Flame]) -> str:
    """An SVG flame chart, wholes above their parts; labels stand where they fit and are shown on hovering."""
    total = sum(root.size for root in roots) or 1.0
    found: list[str] = []
    depth = _flames(roots, 0.0, 0, _WIDTH / total, total, found)
    return _svg(depth * _ROW, found)


def _flames(boxes: Sequence[Flame], x: float, depth: int, scale: float, total: float, found: list[str]) -> int:
    """Draw `boxes` side by side from `x` on and their parts below them; the rows drawn."""
    deepest = depth + 1 if boxes else depth
    for number, box in enumerate(boxes):
        width = box.size * scale
        shade = colour(0.35 + 0.5 * (number % 8) / 8)
        found.append(
            _box(x, depth * _ROW, width - 0.5, shade, f"{box.label}: {box.size:.3f} ms, {box.size / total:.1%}")
        )
        if width > 7 * len(box.label):
            found.append(_text(x + 4, depth * _ROW + 13, box.label))
        deepest = max(deepest, _flames(box.parts, x, depth + 1, scale, total, found))
        x += width
    return deepest


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" font-size="12" font-family="system-ui, sans-serif">{escape(text)}</text>'


def _box(x: float, y: float, width: float, fill: str, tip: str) -> str:
    size = f'x="{x:.2f}" y="{y}" width="{max(width, 0.1):.2f}" height="{_ROW - 1}"'
    return f'<rect {size} fill="{fill}"><title>{escape(tip)}</title></rect>'


def _svg(height: int, parts: Iterable[str]) -> str:
    box = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{"".join(parts)}</svg>'
