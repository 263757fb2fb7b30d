"""Tensor names as the hub has them, and back to what the file had.

A file may leave the base model's prefix out, or put one on; it may stack the experts of a layer into one tensor, as
transformers 5 keeps them in memory; it may store what the model's class works out by itself. `normalised` undoes that
and records it; `restored` does it again from the record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.architectures import Family
from hub.errors import DamagedFile
from hub.ir import Tensor, concatenated, stacked

# How a family calls one expert's matrices: its block, then gate, up, down.
_EXPERTS = {
    "mixtral": ("block_sparse_moe", "w1", "w3", "w2"),
    "qwen2_moe": ("mlp", "gate_proj", "up_proj", "down_proj"),
    "qwen3_moe": ("mlp", "gate_proj", "up_proj", "down_proj"),
}
_STACKED = re.compile(r"(.*)\.mlp\.experts\.(gate_up_proj|down_proj)\Z")

# Spellings of before transformers 1.0 that old BERT files have, and that its loader still renames.
_OLD = ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias"))


@dataclass(frozen=True, slots=True)
class Normalised:
    """`tensors` by canonical name; `buffers` by their own, not part of the model; `record` (JSON) for `restored`."""

    tensors: dict[str, Tensor]
    buffers: dict[str, Tensor] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows `start` to `stop` of expert `expert` in a stacked tensor, and their canonical name."""

    name: str
    expert: int
    start: int
    stop: int


def normalised(tensors: Mapping[str, Tensor], family: Family) -> Normalised:
    """`tensors` under canonical names; `DamagedFile` when two claim one name."""
    done = Normalised({})
    renamed: dict[str, str] = {}
    stacks: dict[str, list[int]] = {}
    for name, tensor in tensors.items():
        usual = _usual(name, family)
        if usual.endswith(family.computed):
            done.buffers[name] = tensor
            continue
        parts = list(_parts(usual, tensor.shape, family.model_type))
        if parts:
            stacks[name] = list(tensor.shape)
        elif usual != name:
            renamed[usual] = name
        for new in (_cut(tensor, part) for part in parts) if parts else (tensor.named(usual),):
            if new.name in done.tensors:
                raise DamagedFile(f"another tensor is {new.name!r} already", tensor=name)
            done.tensors[new.name] = new
    done.record.update({"renamed": renamed} if renamed else {})
    done.record.update({"stacked": stacks, "family": family.model_type} if stacks else {})
    return done


def restored(tensors: Mapping[str, Tensor], record: Mapping[str, Any], family: Family | None) -> dict[str, list[str]]:
    """Names in the file, each with the canonical names it is made of: one, or all parts of a stack in order."""
    renamed: Mapping[str, str] = record.get("renamed", {})
    names: dict[str, list[str]] = {}
    taken: set[str] = set()
    for name, shape in record.get("stacked", {}).items():
        usual = _usual(name, family) if family else name
        parts = [part.name for part in _parts(usual, tuple(shape), record.get("family", ""))]
        if parts and all(part in tensors for part in parts):
            names[name] = parts
            taken.update(parts)
    for canonical in tensors:
        if canonical not in taken:
            names[renamed.get(canonical, canonical)] = [canonical]
    return names


def joined_stack(name: str, parts: list[Tensor], shape: tuple[int, ...]) -> Tensor | None:
    """The stack of `shape` that `parts` were cut from; None when they no longer fit one."""
    experts = shape[0]
    per = len(parts) // experts
    if any(p.encoding != parts[0].encoding for p in parts):
        return None
    rows = [concatenated(name, parts[e * per : e * per + per]) for e in range(experts)]
    return stacked(name, rows) if all(r.shape == shape[1:] for r in rows) else None


def _usual(name: str, family: Family) -> str:
    for old, new in _OLD:
        if name.endswith(old):
            name = name.removesuffix(old) + new
    if family.model_type == "mixtral":
        name = name.replace(".mlp.gate.weight", ".block_sparse_moe.gate.weight")
    return family.normal(name)


def _parts(name: str, shape: tuple[int, ...], model_type: str) -> Iterator[_Part]:
    """What a stack of experts is cut into, expert by expert; nothing when `name` is no stack."""
    found = _STACKED.match(name)
    if not found or len(shape) != 3 or model_type not in _EXPERTS:
        return
    block, gate, up, down = _EXPERTS[model_type]
    rows = shape[1]
    cuts = {gate: (0, rows // 2), up: (rows // 2, rows)} if found.group(2) == "gate_up_proj" else {down: (0, rows)}
    for expert in range(shape[0]):
        for matrix, (start, stop) in cuts.items():
            yield _Part(f"{found.group(1)}.{block}.experts.{expert}.{matrix}.weight", expert, start, stop)


def _cut(tensor: Tensor, part: _Part) -> Tensor:
    one = tensor.slice(part.expert, part.expert + 1).reshaped(*tensor.shape[1:])
    return one.slice(part.start, part.stop).named(part.name)
