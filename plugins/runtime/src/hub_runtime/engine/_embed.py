"""Embeddings of texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hub.errors import UnsupportedFile, UsageError
from hub_runtime.engine._context import Batch, Context, Floats


def embed(context: Context, prompts: Sequence[Sequence[int]], *, normalize: bool = True) -> Iterator[Floats]:
    """The embedding of each prompt, shape (n_embd,), in order; several share a batch where the context has sequences.

    The context is made with `embeddings=True`. `normalize` scales each to length 1. `UsageError` for a prompt that is
    empty or longer than a batch, `UnsupportedFile` when the model pools nothing.
    """
    if context.pooling == "none":
        raise UnsupportedFile("the model does not say how to pool embeddings", hint="say it with --pooling")
    limit = min(context.ctx, context.batch_size)
    for number, prompt in enumerate(prompts, 1):
        if not 0 < len(prompt) <= limit:
            raise UsageError(f"text {number} has {len(prompt)} tokens; from 1 to {limit} were expected")
    batch, waiting = context.batch(), list(prompts)
    while waiting:
        taken = _fill(batch, waiting, context.sequences)
        context.clear()
        context.decode(batch)
        for sequence in range(taken):
            values = np.array(context.embedding(sequence))
            yield _unit(values) if normalize else values
        waiting = waiting[taken:]


def _fill(batch: Batch, prompts: Sequence[Sequence[int]], sequences: int) -> int:
    """Put as many of `prompts` into the batch as fit; how many."""
    batch.clear()
    for taken, prompt in enumerate(prompts):
        if taken == sequences or batch.room < len(prompt):
            return taken
        batch.add(prompt, 0, taken, logits=True)
    return len(prompts)


def _unit(values: Floats) -> Floats:
    length = float(np.linalg.norm(values))
    return values / np.float32(length) if length else values
