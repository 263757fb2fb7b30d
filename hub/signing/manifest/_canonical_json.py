"""JSON with one spelling for every value (RFC 8785), so that equal facts have equal digests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any


def canonical_json(value: Any) -> bytes:
    """`value` as RFC 8785 spells it: no spaces, members sorted by UTF-16 code units, numbers as ECMAScript writes them.

    So 10000.0 is 10000 and 1e-05 is 0.00001: equal facts of two formats are the same bytes. Beyond the RFC, and still
    JSON: integers keep all their digits, NaN and infinities become the strings "NaN", "Infinity" and "-Infinity", bytes
    become base64.
    """
    return _text(value).encode("utf-8", "surrogatepass")


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bytes):
        return json.dumps(base64.b64encode(value).decode())
    if isinstance(value, Mapping):
        members = sorted(
            ((str(k), v) for k, v in value.items()), key=lambda m: m[0].encode("utf-16-be", "surrogatepass")
        )
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_text(v)}" for k, v in members) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(_text, value)) + "]"
    return _number(value)


def _number(value: Any) -> str:
    if isinstance(value, int):
        return str(int(value))
    number = float(value)
    if not isfinite(number):
        return '"NaN"' if number != number else '"Infinity"' if number > 0 else '"-Infinity"'
    return _ecmascript(number)


def _ecmascript(number: float) -> str:
    """Number::toString of ECMAScript: the shortest digits that read back as `number`, which repr gives as well."""
    _, places, exponent = Decimal(repr(abs(number))).normalize().as_tuple()
    sign, digits = "-" if number < 0 else "", "".join(map(str, places))
    point = len(digits) + int(exponent)  # how many digits stand before the decimal point
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point < len(digits):
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    shown = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{sign}{shown}e{point - 1:+d}"
