"""Ranges of numbers as GBNF, digit by digit."""

from __future__ import annotations

from collections.abc import Iterator

from hub.errors import UsageError

# At most so many digits follow where nothing else ends them.
_MORE = "([0-9] " * 15 + ")?" * 15
_FRACTION = f'("." [0-9] {_MORE})?'


def integers(low: int | None, high: int | None) -> str:
    """The rule of JSON integers from `low` to `high`, both included; None is no bound. `UsageError` for no number."""
    if low is not None and high is not None and low > high:
        raise UsageError(f"the JSON schema cannot be kept to: no integer is from {low} to {high}")
    return " | ".join(_signed(low, high))


def numbers(low: int | None, high: int | None) -> str:
    """The rule of JSON numbers from `low` to `high`, both included, without exponents; None is no bound."""
    if low is not None and high is not None and low > high:
        raise UsageError(f"the JSON schema cannot be kept to: no number is from {low} to {high}")
    found = []
    if high is None or high > 0:  # from 0 or low on, up to but without high; then high itself
        start = max(low or 0, 0) if low is not None else 0
        found.append(f"({_naturals(start, None if high is None else high - 1)}) {_FRACTION}")
    if low is None or low < 0:
        start = max(-high, 0) if high is not None else 0
        found.append(f'"-" ({_naturals(start, None if low is None else -low - 1)}) {_FRACTION}')
    ends = [f'"{end}" ("." "0"+)?' for end in dict.fromkeys((low, high)) if end is not None]
    return " | ".join([one for one in found if "()" not in one] + ends)


def _signed(low: int | None, high: int | None) -> Iterator[str]:
    if low is None or low < 0:
        yield f'"-" ({_naturals(1 if high is None or high >= 0 else -high, None if low is None else -low)})'
    if high is None or high >= 0:
        yield f"({_naturals(max(low or 0, 0), high)})"


def _naturals(low: int, high: int | None) -> str:
    """The rule of numbers from `low` to `high` without sign, no two of them by the same way; "" for none."""
    found = []
    most = len(str(low)) if high is None else len(str(high))
    for length in range(len(str(low)), most + 1):
        first = max(low, 0 if length == 1 else 10 ** (length - 1))
        last = 10**length - 1 if high is None else min(high, 10**length - 1)
        if first <= last:
            found.append(_digits(str(first), str(last)))
    if high is None:
        found.append(f"[1-9] {'[0-9] ' * most}{_MORE}")
    return " | ".join(found)


def _digits(low: str, high: str) -> str:
    """The rule of strings of as many digits as `low` and `high` have, from one to the other."""
    if len(low) == 1:
        return f"[{low}-{high}]"
    rest = len(low) - 1
    if low[0] == high[0]:
        return f'"{low[0]}" ({_digits(low[1:], high[1:])})'
    found, first, last = [], int(low[0]), int(high[0])
    if low[1:] != "0" * rest:
        found.append(f'"{first}" ({_digits(low[1:], "9" * rest)})')
        first += 1
    if high[1:] != "9" * rest:
        found.append(f'"{last}" ({_digits("0" * rest, high[1:])})')
        last -= 1
    if first <= last:
        found.append(f"[{first}-{last}] {'[0-9] ' * rest}".rstrip())
    return " | ".join(found)
