"""Teacher forcing: what a model expects after every token of a given text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hub.errors import HubError, UnsupportedFile
from hub_runtime.engine import Context

Exact = NDArray[np.float64]

PIECE = 32  # tokens whose logits are held at once


def forced(context: Context, tokens: Sequence[int], start: int = 0) -> Iterator[tuple[int, Exact]]:
    """(position, log probabilities of the next token, shape (positions, vocabulary)), piece by piece from `start` on.

    `tokens` are computed from an empty context, `PIECE` at a time. `HubError` when a logit is NaN,
    `UnsupportedFile` for a model that does not continue text.
    """
    if not context.model.generates:
        raise UnsupportedFile("this model does not generate text from a prompt alone", file=context.model.path)
    context.clear()
    batch = context.batch()
    for first in range(0, len(tokens), PIECE):
        piece = tokens[first : first + PIECE]
        skipped = min(max(start - first, 0), len(piece))
        batch.clear()
        if skipped:
            batch.add(piece[:skipped], first, 0, logits=False)
        if skipped < len(piece):
            batch.add(piece[skipped:], first + skipped, 0, logits=True)
        context.decode(batch)
        if skipped < len(piece):
            logits = np.stack([context.logits(i) for i in range(skipped, len(piece))])
            if np.isnan(logits).any():
                raise HubError(
                    "the model's logits are not finite", file=context.model.path, hint="hub trace says where"
                )
            yield first + skipped, log_softmax(logits)


def log_softmax(logits: NDArray[np.float32]) -> Exact:
    """Logarithms of the probabilities of each row, in float64."""
    exact = logits.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    exact -= np.log(np.exp(exact).sum(axis=1, keepdims=True))
    return exact


def divergence(ours: Exact, other: Exact) -> Exact:
    """Kullback and Leibler's divergence of `other` from `ours` for each row of log probabilities, in nats."""
    shares = np.exp(ours)
    terms = np.where(shares > 0, shares * (np.where(shares > 0, ours, 0) - other), 0)
    found: Exact = np.maximum(terms.sum(axis=1), 0.0)  # rounding makes equal rows a hair negative
    return found
