"""What commands print: one JSON document, or aligned text. Both come from the same report."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any

STYLES = {"PASS": "\x1b[32m", "FAIL": "\x1b[31m", "SKIP": "\x1b[33m"}


def document(value: Any) -> Any:
    """`value` as JSON: dataclasses become objects by field name, numbers that are not finite null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: document(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): document(v) for k, v in value.items()}
    if isinstance(value, str):
        return str(value)  # an enum's value, without the enum
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [document(v) for v in value]
    return str(value) if isinstance(value, Path) else repr(value)


def emit(command: str, report: Any) -> None:
    """Print the one JSON document of `command`. ASCII only, so every terminal and pipe carries it."""
    print(json.dumps({"schema": f"hub.{command}/1", **document(report)}, allow_nan=False, indent=1))


def clean(text: str) -> str:
    """`text` with control characters escaped: names in a file must not drive the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text: str = "") -> None:
    """Print a line of text."""
    print(clean(text))


def pairs(items: Iterable[tuple[str, object]]) -> None:
    """Print `label: value` lines; a value of None is left out."""
    for label, value in items:
        if value is not None:
            say(f"{label}: {value}")


def table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers: str = "") -> None:
    """Print aligned columns; those whose place in `numbers` is ">" line up on the right."""
    cells = [[clean(str(cell)) for cell in row] for row in ([head] if any(head) else [])]
    cells += [[clean("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not cells:
        return
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [numbers[i : i + 1] == ">" for i in range(len(widths))]
    for row in cells:
        line = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        print("  ".join(_styled(part) for part in line).rstrip())


def _styled(part: str) -> str:
    style = STYLES.get(part.strip()) if sys.stdout.isatty() else None
    return f"{style}{part}\x1b[0m" if style else part
