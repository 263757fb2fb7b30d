"""A plan in the making, and what a reader will make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.interface import Fact, PlannedTensor
from hub.ir import Config, Model, Tokenizer
from hub_gguf._block import Block, settle
from hub_gguf.arch import Canonical, to_canonical
from hub_gguf.container import Value

Keys = dict[str, Value]


@dataclass
class Draft:
    """A plan in the making."""

    model: Model
    tokenizer: Tokenizer | None
    block: Block | None
    arch: str
    tensors: list[PlannedTensor]
    keys: Keys
    dropped: Mapping[str, str]
    unmapped: list[str]
    facts: list[Fact]
    notes: list[str]
    recipe: str | None = None


def read_again(draft: Draft, keys: Keys) -> Canonical:
    """What a reader will make of the planned file; small computed tensors are settled, as they will be in the file."""
    tensors = {p.tensor.name: settle(p.tensor) for p in draft.tensors}
    if draft.model.naming == "native":
        return Canonical(tensors, Config())
    return to_canonical(draft.arch, {key: value.plain for key, value in keys.items()}, tensors)
