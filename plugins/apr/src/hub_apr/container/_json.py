"""JSON by the rules of the container's own parser, which are stricter than Python's.

Refused beyond what `json` refuses: NaN and Infinity, numbers that overflow a double, unpaired surrogates, a byte order
mark, anything that is not UTF-8, and more than 127 nested levels. Integers outside 64 bits become floats.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

DEPTH = 127

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_FORWARD, _BACK, _QUOTE = (np.frombuffer(text, np.uint8) for text in (b"[{", b"]}", b'"'))


def parse_json(raw: bytes) -> Any:
    """The value that `raw` spells; `ValueError` says what is wrong with it."""
    if depth(raw) > DEPTH:
        raise ValueError(f"more than {DEPTH} nested levels")
    try:
        value = json.loads(raw.decode(), parse_constant=_constant, parse_float=_float, parse_int=_int)
    except RecursionError:
        raise ValueError(f"more than {DEPTH} nested levels") from None
    if _SURROGATE.search(raw):
        json.dumps(value, ensure_ascii=False).encode()  # raises UnicodeEncodeError, a ValueError, for one without pair
    return value


def depth(raw: bytes) -> int:
    """Levels of arrays and objects that `raw` nests at the deepest, strings left out. Takes no recursion."""
    if raw.count(b"[") + raw.count(b"{") <= DEPTH:
        return 0
    text = np.frombuffer(raw.replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    level, deepest, quoted = 0, 0, False
    for start in range(0, len(text), 1 << 20):
        piece = text[start : start + (1 << 20)]
        inside = (np.cumsum(piece == _QUOTE[0]) + quoted) & 1 == 1
        step = (np.isin(piece, _FORWARD).astype(np.int64) - np.isin(piece, _BACK)) * ~inside
        levels = level + np.cumsum(step)
        level, deepest, quoted = int(levels[-1]), max(deepest, int(levels.max())), bool(inside[-1])
    return deepest


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"number out of range: {text[:40]}")
    return value


def _int(text: str) -> int | float:
    if len(text) < 19:
        return int(text)
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        return _float(text)
    return int(text)
