"""Whether tensors came through: bit for bit where the encoding is held, by exact values where it is not."""

from __future__ import annotations

from collections.abc import Iterator

from hub.interface import Format, Plan
from hub.ir import Change, Model, Tensor
from hub.pipeline import planned_changes
from hub.pipeline.compare import compare_tensors
from hub_conformance.notation import exact


def held(fmt: Format, tensor: Tensor) -> bool:
    """True when the format must give the tensor back in its encoding."""
    whole = tensor.encoding.flat or tensor.columns % tensor.encoding.block == 0
    return tensor.encoding.name in fmt.capabilities.encodings and whole


def recoded(plan: Plan) -> list[str]:
    """Names of the tensors whose values the plan says it changes."""
    return [name for name, change in planned_changes(plan).items() if change is Change.RECODED]


def problems(a: Model, b: Model, fmt: Format, plan: Plan) -> Iterator[str]:
    """What is wrong with the tensors of `b`, which `fmt` made of `a` by `plan`, one line each."""
    changed = set(recoded(plan))
    for name, tensor in a.tensors.items():
        found = b.tensors.get(name) or b.tensors.get(b.ties.get(name, ""))
        if found is None:
            yield f"tensor {name!r} is missing"
        elif name in changed and not held(fmt, tensor):
            yield from _shape(tensor, found)
        elif held(fmt, tensor) or found.encoding == tensor.encoding:
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
