"""Which tensors are one and the same: an output projection tied to its embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hub.architectures import Family
from hub.ir import Tensor

_SAMPLES = 16


def find_ties(
    tensors: Mapping[str, Tensor], family: Family, config: Mapping[str, Any]
) -> tuple[dict[str, str], list[str], list[str]]:
    """Ties (alias -> tensor), the aliases that the file stores all the same, and notes.

    An alias that is stored counts as tied when its bytes are the embedding's; one that is not, when config says so.
    """
    if family.head is None or family.head[1] not in tensors:
        return {}, [], []
    alias, target = family.head
    said = ties_words(family, config)
    if alias not in tensors:
        return ({alias: target}, [], []) if said else ({}, [], [])
    if same_bytes(tensors[alias], tensors[target]):
        return {alias: target}, [alias], []
    note = f"tie_word_embeddings is set, and yet {alias} differs from {target}: both are kept"
    return {}, [], [note] if said else []


def ties_words(family: Family, config: Mapping[str, Any]) -> bool:
    """True when a loader that follows `config` takes the embedding for the output projection."""
    return bool(family.facts(config).fact("tie_word_embeddings", bool))


def same_bytes(a: Tensor, b: Tensor) -> bool:
    """True when two tensors are equal byte for byte; a few rows are looked at first, so different ones cost little."""
    if (a.shape, a.encoding) != (b.shape, b.encoding):
        return False
    rows = {a.rows.n * sample // _SAMPLES for sample in range(_SAMPLES)} if a.nbytes else set()
    if not all(np.array_equal(a.rows.read(i, i + 1), b.rows.read(i, i + 1)) for i in rows):
        return False
    return all(np.array_equal(a.rows.read(i, j), b.rows.read(i, j)) for i, j in a.pieces())
