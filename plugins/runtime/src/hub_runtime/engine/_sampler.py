"""Choosing a token from logits, with llama.cpp's samplers."""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.errors import HubError
from hub_runtime.engine._grammar import grammar_of
from hub_runtime.engine._library import library
from hub_runtime.engine._settings import Settings
from hub_runtime.engine._vocab import Vocab

Logits = NDArray[np.float32]

# llama_token_data: id, logit, p.
_CANDIDATE = np.dtype([("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])


class Sampler:
    """One generation's choice of tokens by `settings`; it remembers what was accepted. Close it when done.

    `seed` is the one in use, drawn when the settings name none. `UsageError` for a grammar that llama.cpp rejects.
    """

    def __init__(self, vocab: Vocab, settings: Settings) -> None:
        self.settings = settings
        self.seed = settings.seed if settings.seed is not None else secrets.randbits(32)
        self._c: Any = library()
        self._vocab = vocab
        self._free = ExitStack()
        self._grammar: int | None = None
        self._chain: int | None = None
        if not settings.plain:
            self._candidates = np.zeros(vocab.size, _CANDIDATE)
            self._ids = np.arange(vocab.size, dtype=np.int32)
            self._grammar = self._owned(grammar_of(vocab, settings))
            self._chain = self._owned(self._made_chain())

    def _owned(self, sampler: int | None) -> int | None:
        if sampler is not None:
            self._free.callback(self._c.llama_sampler_free, sampler)
        return sampler

    def _made_chain(self) -> int:
        c, s = self._c, self.settings
        chain: int = c.llama_sampler_chain_init(c.llama_sampler_chain_default_params())
        for sampler in self._steps(c, s):
            c.llama_sampler_chain_add(chain, sampler)
        return chain

    def _steps(self, c: Any, s: Settings) -> Iterable[int]:
        """llama.cpp's usual order: bias, penalties, top-k, top-p, min-p, temperature, draw."""
        if s.logit_bias:
            biases = (c.llama_logit_bias * len(s.logit_bias))(*s.logit_bias.items())
            yield c.llama_sampler_init_logit_bias(self._vocab.size, len(biases), biases)
        if s.penalizes:
            strengths = (s.repeat_penalty, s.frequency_penalty, s.presence_penalty)
            yield c.llama_sampler_init_penalties(self._vocab.size, s.repeat_last_n, *strengths)
        if s.temperature == 0:
            yield c.llama_sampler_init_greedy()
            return
        yield c.llama_sampler_init_top_k(s.top_k)
        yield c.llama_sampler_init_top_p(s.top_p, 1)
        yield c.llama_sampler_init_min_p(s.min_p, 1)
        yield c.llama_sampler_init_temp(s.temperature)
        yield c.llama_sampler_init_dist(self.seed)

    def sample(self, logits: Logits) -> int:
        """The token chosen from `logits`, one per token of the vocabulary. `HubError` when they are not finite."""
        best = int(logits.argmax())
        if not isfinite(logits[best]):  # argmax finds a NaN first
            raise HubError(f"the model's logits are not finite: {logits[best]} for token {best}")
        if self._chain is None:
            return best
        token, allowed = self._choose(logits, constrained=False), True
        if self._grammar is not None:
            allowed = self._allows(token)
        return token if allowed else self._choose(logits, constrained=True)

    def _choose(self, logits: Logits, *, constrained: bool) -> int:
        """What the chain selects; with the grammar applied to all candidates first when `constrained`."""
        pool = self._candidates
        pool["id"] = self._ids
        pool["logit"] = logits
        pool["p"] = 0
        array = self._array(pool)
        if constrained:
            self._c.llama_sampler_apply(self._grammar, ctypes.byref(array))
            if not np.isfinite(pool["logit"]).any():
                raise HubError("the grammar allows none of the model's tokens here")
        self._c.llama_sampler_apply(self._chain, ctypes.byref(array))
        return int(array.data[array.selected].id)

    def _allows(self, token: int) -> bool:
        """Whether the grammar lets `token` follow; asking for one costs far less than for the whole vocabulary."""
        one = np.array([(token, 1.0, 0.0)], _CANDIDATE)
        self._c.llama_sampler_apply(self._grammar, ctypes.byref(self._array(one)))
        return bool(np.isfinite(one["logit"][0]))

    def _array(self, pool: NDArray[Any]) -> Any:
        data = pool.ctypes.data_as(ctypes.POINTER(self._c.llama_token_data))
        return self._c.llama_token_data_array(data, len(pool), -1, False)

    def accept(self, token: int, *, generated: bool = True) -> None:
        """Remember `token`: penalties count it, and the grammar moves on when it was `generated`."""
        if self._chain is not None:
            self._c.llama_sampler_accept(self._chain, token)
        if self._grammar is not None and generated:
            self._c.llama_sampler_accept(self._grammar, token)

    def close(self) -> None:
        """Free llama.cpp's part."""
        self._free.close()
        self._chain = self._grammar = None


def log_probabilities(logits: Logits) -> Logits:
    """Logarithms of the softmax of `logits`."""
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()), np.float32)
