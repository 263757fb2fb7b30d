"""What a GGUF file would not say of a model: its own keys, read back, against the config they came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hub.architectures import Family
from hub.interface import PlannedTensor
from hub.ir import Config
from hub_gguf.arch._config import config_of, family_of
from hub_gguf.arch._pieces import matched
from hub_gguf.arch._reading import Source
from hub_gguf.arch._tables import Arch
from hub_gguf.container import Value

_SAID_ELSEWHERE = {"tie_word_embeddings", "decoder_sparse_step", "mlp_only_layers"}  # by tensors


def lost(
    arch: Arch, family: Family, facts: Config, keys: Mapping[str, Value], planned: Sequence[PlannedTensor]
) -> list[str]:
    """One line for each fact that changes results and that a reader of the file alone would get wrong."""
    kv = {key: value.plain for key, value in keys.items()}
    tensors = {p.tensor.name: p.tensor for p in planned}
    read = family_of(arch, kv)
    present = matched(arch, read, tensors).rules.values()
    back = family.facts(config_of(Source(arch, read, kv, tensors, frozenset(present))))
    numbers = {key: value for key, value in facts.items() if key in _watched(arch, family)}
    return [
        f"{key}={value!r} has no place in a GGUF {arch.name}: from the file alone {back.get(key)!r} is read"
        for key, value in numbers.items()
        if not _same(value, back.get(key))
    ]


def _watched(arch: Arch, family: Family) -> set[str]:
    said = {rule.fact for rule in map(arch.key, arch.keys) if rule.fact}
    return (said | {*family.defaults, *family.derived, *family.states, *arch.silent, "rope_scaling"}) - _SAID_ELSEWHERE


def _float32(value: float) -> np.float32:
    with np.errstate(over="ignore"):
        return np.float32(value if abs(value) < 1e300 else math.inf)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(_same(one[key], other[key]) for key in one.keys() & other.keys())
    if isinstance(one, float | int) and isinstance(other, float | int):
        return one == other or _float32(one) == _float32(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other or (not one and not other)
