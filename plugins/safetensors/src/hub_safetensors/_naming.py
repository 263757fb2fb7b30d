"""Tensor names as the architecture tables have them, and back to what the file had.

A file may leave the base model's prefix out, or put one on; it may stack the experts of a layer into one tensor, as
transformers 5 keeps them in memory; it may store what the model's class works out by itself. `normalised` undoes that
and records it; `restored` does it again from the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.architectures import Family, usual
from hub.errors import DamagedFile
from hub.ir import Tensor, concatenated, stacked
from hub_safetensors._record import Record

# Endings that loaders still rename: of BERT files before transformers 1.0, and of Mixtral as transformers 5 holds it.
_OLD = (
    (".LayerNorm.gamma", ".LayerNorm.weight"),
    (".LayerNorm.beta", ".LayerNorm.bias"),
    (".mlp.gate.weight", ".block_sparse_moe.gate.weight"),
)


@dataclass(frozen=True, slots=True)
class Normalised:
    """`tensors` by canonical name; `buffers` by their own, not part of the model; `record` (JSON) for `restored`."""

    tensors: dict[str, Tensor]
    buffers: dict[str, Tensor] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


def normalised(tensors: Mapping[str, Tensor], family: Family) -> Normalised:
    """`tensors` under canonical names; `DamagedFile` when two claim one name."""
    known = {slot.name.rpartition("}")[2] for slot in family.slots}
    done: dict[str, Tensor] = {}
    buffers: dict[str, Tensor] = {}
    renamed: dict[str, str] = {}
    stacks: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        parts = [part for _, part in usual(family, {_current(name, known): tensor})]
        if not parts:
            raise DamagedFile(f"shape {list(tensor.shape)} holds no experts", tensor=name)
        if parts[0].name.endswith(family.computed):
            buffers[name] = tensor
            continue
        if len(parts) > 1 or parts[0].shape != tensor.shape:
            each = len(parts) // tensor.shape[0]
            stacks[name] = {"shape": list(tensor.shape), "parts": [part.name for part in parts[:each]]}
        elif parts[0].name != name:
            renamed[parts[0].name] = name
        for part in parts:
            if part.name in done:
                raise DamagedFile(f"another tensor is {part.name!r} already", tensor=name)
            done[part.name] = part
    record = {"renamed": renamed, "stacked": stacks}
    return Normalised(done, buffers, {key: value for key, value in record.items() if value})


def restored(tensors: Mapping[str, Tensor], record: Record) -> Iterator[tuple[Tensor, tuple[str, ...]]]:
    """The tensors under the file's own names and in its own pieces, each with the canonical names it holds."""
    taken: set[str] = set()
    for name, stack in record.stacked.items():
        if stack.shape[0] * len(stack.parts) > len(tensors):
            continue
        names = [part.replace(".experts.0.", f".experts.{e}.") for e in range(stack.shape[0]) for part in stack.parts]
        whole = _stack(name, [tensors[n] for n in names if n in tensors], stack.shape, len(names))
        if whole is not None:
            taken.update(names)
            yield whole, tuple(names)
    for canonical, tensor in tensors.items():
        if canonical not in taken:
            yield tensor.named(record.renamed.get(canonical, canonical)), (canonical,)


def _stack(name: str, parts: Sequence[Tensor], shape: tuple[int, ...], count: int) -> Tensor | None:
    """The stack of `shape` that the parts were cut from; None when they no longer make one."""
    if len(parts) != count or len({(p.encoding, p.shape[1:]) for p in parts}) != 1:
        return None
    each = count // shape[0]
    experts = [concatenated(name, parts[at : at + each]) for at in range(0, count, each)]
    return stacked(name, experts) if all(e.shape == shape[1:] for e in experts) else None


def _current(name: str, known: set[str]) -> str:
    for old, new in _OLD:
        if name.endswith(old) and any(k.endswith(new) for k in known):
            return name.removesuffix(old) + new
    return name
