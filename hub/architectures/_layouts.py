"""Tensors under the names and in the pieces that the tables have, however a file cuts them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from hub.architectures._family import Family
from hub.errors import DamagedFile
from hub.ir import Tensor

# transformers 5 holds a layer's experts in two tensors: gate over up [E, 2 * M, H], and down [E, H, M].
_FUSED = re.compile(r"(?P<layer>model\.layers\.\d+\.)(mlp|block_sparse_moe)\.experts\.(?P<part>gate_up|down)_proj$")


def usual(family: Family, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The name each tensor has in the file, and the tensor named as the family's table names it.

    Fused experts come apart into one tensor an expert and projection, in the table's names; rows are only cut.
    `DamagedFile` when fused experts have a shape that cannot be cut.
    """
    words = _expert_words(family)
    for name, tensor in tensors.items():
        normal = family.normal(name)
        fused = _FUSED.match(normal) if words else None
        if fused:
            parts = _experts(tensor, fused["layer"], words[fused["part"]])
            yield from ((name, part) for part in parts)
        else:
            yield name, tensor if normal == tensor.name else tensor.named(normal)


def _expert_words(family: Family) -> dict[str, tuple[str, ...]]:
    """Names of an expert's projections below a layer, "{e}" for its number; empty for families without experts."""
    names = [s.name.partition("{i}.")[2] for s in family.slots if "{e}" in s.name]
    if not names:
        return {}
    gate, up, down = (next(n for n in names if n.split(".")[-2] in pair) for pair in _PROJECTIONS)
    return {"gate_up": (gate, up), "down": (down,)}


_PROJECTIONS = (("gate_proj", "w1"), ("up_proj", "w3"), ("down_proj", "w2"))


def _experts(tensor: Tensor, layer: str, words: tuple[str, ...]) -> Iterator[Tensor]:
    if len(tensor.shape) != 3 or tensor.shape[1] % len(words):
        raise DamagedFile(f"shape {list(tensor.shape)} is not that of fused experts", tensor=tensor.name)
    experts, rows, columns = tensor.shape
    whole = tensor.reshaped(experts * rows, columns)
    each = rows // len(words)
    for expert in range(experts):
        for at, word in enumerate(words):
            start = expert * rows + at * each
            yield whole.slice(start, start + each).named(layer + word.format(e=expert))
