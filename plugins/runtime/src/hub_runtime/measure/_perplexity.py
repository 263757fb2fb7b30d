"""How surprised a model is by a text."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hub.errors import UsageError
from hub_runtime.engine import LoadedModel
from hub_runtime.loading import Loaded
from hub_runtime.measure._bench import LoadedFrom, Tick
from hub_runtime.measure._forced import forced
from hub_runtime.measure._host import Host

WINDOW = 512


@dataclass(frozen=True, slots=True)
class PerplexityReport:
    """The mean negative log likelihood of `scored` tokens in nats, its standard error, and e to the power of it.

    `perplexity` is None when it is too large for a float, `perplexity_error` for a single token too. `rule` says which
    tokens are scored.
    """

    model: LoadedFrom
    text: str
    tokens: int
    window: int
    windows: int
    scored: int
    mean_nll: float
    perplexity: float | None
    perplexity_error: float | None
    rule: str
    threads: int
    host: Host


@dataclass(frozen=True, slots=True)
class _Windows:
    tokens: list[list[int]]
    start: int  # the first position whose next token is scored
    rule: str


def perplexity(
    path: Path,
    loaded: Loaded,
    text: Path,
    content: str,
    window: int | None = None,
    threads: int | None = None,
    tick: Tick | None = None,
) -> PerplexityReport:
    """Score `content`, the text of the file `text`, in windows of `window` tokens.

    As llama.cpp's own measure does: windows follow each other, each begins with the model's BOS token if it has one in
    place of its first, and the second half of each is scored. A text too short for one window is scored whole.
    `UsageError` when nothing is left to score.
    """
    model = loaded.model
    size = window or min(WINDOW, model.n_ctx_train)
    found = _windows(model, content, size, text)
    losses: list[float] = []
    with model.context(size, threads=threads) as context:
        for done, tokens in enumerate(found.tokens):
            if tick is not None:
                tick(done, len(found.tokens))
            for position, logs in forced(context, tokens[:-1], found.start):
                following = tokens[position + 1 : position + 1 + len(logs)]
                losses += (-logs[np.arange(len(logs)), following]).tolist()
        used = context.threads
    mean, count = math.fsum(losses) / len(losses), len(losses)
    surprise = math.exp(mean) if mean < math.log(sys.float_info.max) else None
    error = None
    if surprise is not None and count > 1:
        error = math.sqrt(float(np.var(losses, ddof=1)) / count) * surprise
    total = sum(map(len, found.tokens))
    return PerplexityReport(
        LoadedFrom.of(path, loaded), str(text), total, size, len(found.tokens), count, mean, surprise, error,
        found.rule, used, Host.here(model),
    )  # fmt: skip


def _windows(model: LoadedModel, content: str, size: int, text: Path) -> _Windows:
    vocab = model.vocab
    tokens = vocab.tokenize(content, parse_special=False)
    if len(tokens) < 2 or size < 4:
        raise UsageError(f"{len(tokens)} tokens in windows of {size} leave nothing to score", file=text)
    if len(tokens) < size:
        return _Windows([tokens], 0, "the text is shorter than a window: every token after the first is scored")
    windows = [tokens[i : i + size] for i in range(0, len(tokens) - size + 1, size)]
    if vocab.add_bos and vocab.bos is not None:
        windows = [[vocab.bos, *w[1:]] for w in windows]
    left = len(tokens) - len(windows) * size
    return _Windows(windows, size // 2, f"the second half of each window is scored; {left} tokens at the end are not")
