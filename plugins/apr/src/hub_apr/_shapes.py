"""What the values under hub keys must look like, as small checks that combine: a file may come from anybody."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from hub.errors import DamagedFile

Check: TypeAlias = Callable[[Any], bool]


def of(*types: type) -> Check:
    """A value of exactly one of `types`: True is no int."""
    return lambda value: type(value) in types


def one_of(values: Collection[str]) -> Check:
    """One of some strings."""
    return lambda value: isinstance(value, str) and value in values


def opt(check: Check) -> Check:
    """What `check` takes, or null."""
    return lambda value: value is None or check(value)


def either(a: Check, b: Check) -> Check:
    """What one of the two takes."""
    return lambda value: a(value) or b(value)


def items(check: Check) -> Check:
    """An array of what `check` takes."""
    return lambda value: isinstance(value, list) and all(map(check, value))


def values(check: Check) -> Check:
    """An object whose members are what `check` takes."""
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def require(value: Any, checks: Mapping[str, Check], key: str, file: Path) -> dict[str, Any]:
    """`value` as an object with the members of `checks`; `DamagedFile` naming `key` and the member otherwise."""
    if not isinstance(value, dict):
        raise DamagedFile(f"metadata {key!r} is no object", file=file)
    for name, fits in checks.items():
        if name not in value or not fits(value[name]):
            state = f"is {str(value[name])[:60]!r}" if name in value else "is missing"
            raise DamagedFile(f"metadata {key!r}: {name!r} {state}", file=file)
    return value
