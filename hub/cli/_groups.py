"""Options that belong together, as a dataclass that commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar, get_type_hints

P = ParamSpec("P")
R = TypeVar("R")


def takes(command: Callable[P, R]) -> Callable[..., R]:
    """`command` as typer is to see it: the fields of a dataclass among its parameters are options of their own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    seen: list[inspect.Parameter] = []
    for one in inspect.signature(command).parameters.values():
        if one.name not in groups:
            seen.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name]))
            continue
        own = get_type_hints(groups[one.name], include_extras=True)
        seen += [_parameter(f.name, own[f.name], f.default) for f in fields(groups[one.name])]

    @wraps(command)
    def spread(**given: Any) -> R:
        for name, kind in groups.items():
            given[name] = kind(**{f.name: given.pop(f.name) for f in fields(kind)})
        return command(**given)  # type: ignore[call-arg]  # what typer gives has the names of `seen`

    spread.__signature__ = inspect.Signature(seen)  # type: ignore[attr-defined]  # it may be set, says PEP 362
    spread.__annotations__ = {one.name: one.annotation for one in seen}
    return spread


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
