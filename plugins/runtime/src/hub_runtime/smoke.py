"""One small forward pass of a model; prints what it showed as JSON. Run as `python -m hub_runtime.smoke MODEL`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hub.errors import HubError
from hub.interface import Outcome
from hub_runtime.engine import LoadedModel, embed, log_probabilities
from hub_runtime.loading import Wanted, load_any

Floats = NDArray[np.float32]

_TEXT = "The quick brown fox"


def smoke(path: Path) -> tuple[Outcome, str]:
    """The outcome of the stage, and its detail: the likeliest next token, or the size of an embedding."""
    with load_any(Wanted(path, gpu_layers=0)) as loaded:
        model = loaded.model
        tokens = model.vocab.tokenize(_TEXT) or [0]
        if not model.generates:
            return _embedded(model, tokens)
        with model.context(min(64, model.n_ctx_train)) as context:
            batch = context.batch()
            index = batch.add(tokens[: min(32, context.ctx, batch.room)], 0, 0)
            context.decode(batch)
            logits = np.array(context.logits(index))
        return _judged(model, tokens, logits)


def _judged(model: LoadedModel, tokens: list[int], logits: Floats) -> tuple[Outcome, str]:
    if not np.isfinite(logits).all():
        return "FAIL", f"{int((~np.isfinite(logits)).sum())} of {len(logits)} logits are not finite"
    best = int(logits.argmax())
    probability = float(np.exp(log_probabilities(logits)[best]))
    shown = ascii(model.vocab.piece(best, special=True).decode("utf-8", "replace"))
    return "PASS", f"{len(tokens)} tokens in, top-1 token {best} {shown} with probability {probability:.3g}"


def _embedded(model: LoadedModel, tokens: list[int]) -> tuple[Outcome, str]:
    with model.context(min(64, model.n_ctx_train), embeddings=True, pooling="mean") as context:
        vector = next(embed(context, [tokens], normalize=False))
    if not np.isfinite(vector).all():
        return "FAIL", f"{int((~np.isfinite(vector)).sum())} of {len(vector)} values of an embedding are not finite"
    return "PASS", f"{len(tokens)} tokens in, an embedding of {len(vector)} finite values out"


def main(path: str) -> int:
    """Print the finding as JSON."""
    try:
        outcome, detail = smoke(Path(path))
    except HubError as error:
        outcome, detail = "FAIL", error.message
    print(json.dumps({"outcome": outcome, "detail": detail}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
