"""What a model in memory is, as one number: it has no file that could be looked at instead."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np

from hub.ir import Model, Tensor, Tokenizer
from hub.pipeline import default_budget


def digest_of(model: Model) -> str:
    """SHA-256 over everything that a file made of `model` may hold: all bytes of all tensors, and all facts."""
    tensors = list(model.tensors.values())
    with ThreadPoolExecutor(default_budget().jobs) as pool:
        digests = list(pool.map(_tensor, tensors))
    lines = [[t.name, t.encoding.name, t.shape, digest] for t, digest in zip(tensors, digests, strict=True)]
    facts = [model.config, model.tokenizer.get(), model.metadata, model.ties, model.files, model.source.get()]
    text = json.dumps([lines, facts, model.naming, model.unnamed], default=_plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _tensor(tensor: Tensor) -> str:
    found = hashlib.sha256()
    for start, stop in tensor.pieces():
        found.update(tensor.rows.read(start, stop).data)
    return found.hexdigest()


def _plain(value: object) -> Any:
    """What JSON has no word for, as something it has."""
    if isinstance(value, Tokenizer):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Sequence | set | frozenset):
        return sorted(value) if isinstance(value, set | frozenset) else list(value)
    raise TypeError(f"a model's facts hold a {type(value).__name__}")
