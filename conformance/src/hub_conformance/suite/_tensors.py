"""Whether tensors came through: bit for bit where the encoding is held, by exact values where it is not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hub.interface import Format, Plan
from hub.ir import Change, Model, Tensor
from hub.pipeline import planned_changes
from hub.pipeline.compare import compare_tensors
from hub_conformance.notation import exact


def held(formats: Sequence[Format], tensor: Tensor) -> bool:
    """True when a stay in all the formats must leave the tensor in its encoding."""
    whole = tensor.encoding.flat or tensor.columns % tensor.encoding.block == 0
    return whole and all(tensor.encoding.name in fmt.capabilities.encodings for fmt in formats)


def recoded(plan: Plan) -> list[str]:
    """Names of the tensors whose values the plan says it changes."""
    return [name for name, change in planned_changes(plan).items() if change is Change.RECODED]


def problems(a: Model, b: Model, formats: Sequence[Format], changed: Collection[str]) -> Iterator[str]:
    """What is wrong with the tensors of `b`, made of `a` by way of `formats`, one line each.

    `changed` names those whose values were changed as planned.
    """
    for name, tensor in a.tensors.items():
        found = b.tensors.get(name) or b.tensors.get(b.ties.get(name, ""))
        if found is None:
            yield f"tensor {name!r} is missing"
        elif name in changed and not held(formats, tensor):
            yield from _shape(tensor, found)
        elif held(formats, tensor) or found.encoding == tensor.encoding:
            yield from exact(tensor, found)
        else:
            yield from _values(tensor, found)
    yield from (f"tensor {name!r} is new" for name in b.tensors if name not in a.tensors and name not in a.ties)


def _shape(a: Tensor, b: Tensor) -> Iterator[str]:
    if a.shape != b.shape:
        yield f"tensor {a.name!r}: shape {list(a.shape)} became {list(b.shape)}"


def _values(a: Tensor, b: Tensor) -> Iterator[str]:
    seen = compare_tensors(a, b.named(a.name))
    if not seen.equal:
        what = seen.detail or f"{seen.different} of {seen.compared} values differ"
        yield f"tensor {a.name!r}: {a.encoding} became {b.encoding}, and {what}"
