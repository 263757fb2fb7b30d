"""What `hub tensors` lists: every tensor, and its statistics when asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import HubError, UnsupportedFile, UsageError
from hub.ir import Model, Tensor

if TYPE_CHECKING:
    from hub.pipeline import Progress
    from hub.statistics import Stats


@dataclass(frozen=True, slots=True)
class TensorLine:
    """One tensor; `stats` is None when not asked for or when the encoding cannot be decoded (`problem` says why)."""

    name: str
    shape: tuple[int, ...]
    encoding: str
    values: int
    bytes: int
    stats: Stats | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class TensorList:
    """The tensors of a model that match, and how many there are in all."""

    path: Path
    total: int
    matched: int
    bytes: int
    ties: dict[str, str]
    tensors: tuple[TensorLine, ...]


def select(model: Model, pattern: str | None) -> dict[str, Tensor]:
    """Tensors whose name contains `pattern` or matches it as a glob; `UsageError` when none does."""
    if pattern is None:
        return dict(model.tensors)
    from hub.pipeline import matches

    found = {n: t for n, t in model.tensors.items() if matches(n, pattern)}
    if not found:
        raise UsageError(f"--filter {pattern!r} matches none of {len(model.tensors)} tensors")
    return found


def list_tensors(
    path: Path, model: Model, pattern: str | None = None, *, stats: bool = False, progress: Progress | None = None
) -> TensorList:
    """The tensors of `model` whose names match `pattern`; `stats` reads their values, in pieces."""
    chosen = select(model, pattern)
    lines = tuple(_with_stats(chosen, progress) if stats else map(_line, chosen.values()))
    size = sum(t.nbytes for t in chosen.values())
    return TensorList(path, len(model.tensors), len(chosen), size, dict(model.ties), lines)


def _line(tensor: Tensor, stats: Stats | None = None, problem: str | None = None) -> TensorLine:
    return TensorLine(
        tensor.name, tensor.shape, tensor.encoding.name, tensor.size, tensor.nbytes, stats=stats, problem=problem
    )


def _with_stats(tensors: dict[str, Tensor], progress: Progress | None) -> Iterator[TensorLine]:
    from hub.statistics import scan_all

    for tensor, result in scan_all(tensors.values(), progress):
        if isinstance(result, UnsupportedFile):
            yield _line(tensor, problem=result.message)
        elif isinstance(result, HubError):
            raise result
        else:
            yield _line(tensor, result.stats)
