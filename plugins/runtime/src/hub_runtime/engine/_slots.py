"""Continuous batching: several requests answered together, one llama_decode a step."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from hub.errors import HubError, UnsupportedFile
from hub_runtime.engine._context import Context, Floats
from hub_runtime.engine._generation import Alternative, Generation, PromptTooLong, Request, Token
from hub_runtime.engine._sampler import Sampler, log_probabilities


@dataclass
class _Slot:
    """One sequence of the context: the tokens whose keys and values it holds, and who uses it."""

    sequence: int
    held: list[int] = field(default_factory=list)
    generation: Generation | None = None
    sampler: Sampler | None = None
    todo: list[int] = field(default_factory=list)
    scores: bool = False  # the prompt's tokens are to be scored

    def close(self) -> None:
        if self.sampler is not None:
            self.sampler.close()
        self.generation = self.sampler = None
        self.todo, self.scores = [], False


@dataclass(slots=True)  # not frozen: that takes three times as long to make
class _Part:
    """What a batch holds of one slot: `count` tokens from position `start`, the last at index `last` of the batch.

    `complete` when nothing of what was to do is left, so that a token can be chosen.
    """

    slot: _Slot
    last: int
    start: int
    count: int
    complete: bool


class Slots:
    """As many requests at once as the context has sequences. Not thread-safe: one thread adds, steps and cancels.

    `reuse` keeps what a finished request computed, and computes a shared beginning of prompts once; the logits behind
    it then differ in their last bits from those of a prompt computed whole, as llama.cpp's kernels have it.
    `decode_seconds` is the time spent in llama.cpp so far.
    """

    def __init__(self, context: Context, *, reuse: bool = False) -> None:
        if context.embeddings or not context.model.generates:
            raise UnsupportedFile("this model does not generate text from a prompt alone", file=context.model.path)
        self.context, self.reuse = context, reuse
        self.decode_seconds = 0.0
        self._vocab = context.model.vocab
        self._batch = context.batch()
        self._slots = [_Slot(i) for i in range(context.sequences)]
        self._limit = context.ctx

    @property
    def free(self) -> int:
        """Requests that can be added now."""
        return sum(slot.generation is None for slot in self._slots)

    @property
    def active(self) -> list[Generation]:
        """The generations under way."""
        return [slot.generation for slot in self._slots if slot.generation is not None]

    @property
    def held_tokens(self) -> int:
        """Positions of the context in use, by finished requests as well when `reuse`."""
        return sum(len(slot.held) for slot in self._slots)

    def add(self, request: Request) -> Generation:
        """Begin to answer `request`; the next `step` computes for it.

        `PromptTooLong` when it cannot fit, `UsageError` for a grammar that is refused; `RuntimeError` when no slot is
        free.
        """
        idle = [slot for slot in self._slots if slot.generation is None]
        if not idle:
            raise RuntimeError("all slots are in use")
        prompt = list(request.prompt)
        if len(prompt) >= self._limit:
            raise PromptTooLong(len(prompt), self._limit)
        sampler = Sampler(self._vocab, request.settings)
        for token in prompt if request.settings.penalizes else ():
            sampler.accept(token, generated=False)
        slot = max(idle, key=lambda s: _common(s.held, prompt)) if self.reuse else idle[0]
        generation = Generation(request, sampler.seed)
        generation.counters.cached_tokens = self._prepare(slot, prompt, reuse=self.reuse and not request.score_prompt)
        slot.generation, slot.sampler, slot.scores = generation, sampler, request.score_prompt
        slot.todo = prompt[generation.counters.cached_tokens :]
        return generation

    def _prepare(self, slot: _Slot, prompt: list[int], *, reuse: bool) -> int:
        """Leave in `slot` the longest beginning of `prompt` that some slot holds; its length."""
        if reuse:
            best = max(self._slots, key=lambda s: (_common(s.held, prompt), s is slot))
            if _common(best.held, prompt) > _common(slot.held, prompt):
                self.context.copy(best.sequence, slot.sequence)
                slot.held = list(best.held)
        keep = min(_common(slot.held, prompt), len(prompt) - 1) if reuse else 0
        if not self.context.forget(slot.sequence, keep):  # a recurrent state cannot be cut, only dropped
            self.context.forget(slot.sequence)
            keep = 0
        slot.held = slot.held[:keep]
        return keep

    def cancel(self, generation: Generation) -> None:
        """Stop answering `generation` and free its slot; nothing happens when it has ended already."""
        for slot in self._slots:
            if slot.generation is generation:
                generation.finish = "cancelled"
                slot.close()

    def step(self) -> list[tuple[Generation, Token]]:
        """Compute one batch and return the tokens that came of it, at most one a request; none while prompts are read.

        A generation that ended (`finish`) has left its slot; one that cannot go on is "failed", says why (`failure`),
        and has no token. When the batch itself cannot be computed, `HubError` leaves all slots as after `reset`.
        """
        try:
            parts = self._fill()
            if parts:
                started = time.perf_counter()
                self.context.decode(self._batch)
                self.decode_seconds += time.perf_counter() - started
            return [made for part in parts if (made := self._read(part)) is not None]
        except BaseException:
            self.reset()
            raise

    def reset(self) -> None:
        """Cancel everything and forget all keys and values."""
        for generation in self.active:
            self.cancel(generation)
        for slot in self._slots:
            slot.held = []
        self.context.clear()

    def _fill(self) -> list[_Part]:
        """Put into the batch what is to be computed, generations first."""
        self._batch.clear()
        busy = [slot for slot in self._slots if slot.todo]
        parts = []
        for slot in sorted(busy, key=lambda s: len(s.todo)):
            tokens = slot.todo[: self._batch.room]
            if tokens:
                complete = len(tokens) == len(slot.todo)
                wanted = True if slot.scores else None if complete else False
                last = self._batch.add(tokens, len(slot.held), slot.sequence, logits=wanted)
                parts.append(_Part(slot, last, len(slot.held), len(tokens), complete))
                slot.held += tokens
                slot.todo = slot.todo[len(tokens) :]
        return parts

    def _read(self, part: _Part) -> tuple[Generation, Token] | None:
        """What the batch says for one slot; a failure there ends that generation alone."""
        slot = part.slot
        generation, sampler = slot.generation, slot.sampler
        if generation is None or sampler is None:
            raise RuntimeError("the slot is not in use")
        try:
            if slot.scores:
                self._score(part, generation)
            return (generation, self._choose(slot, generation, sampler, part.last)) if part.complete else None
        except HubError as error:
            generation.finish, generation.failure = "failed", error
            slot.close()
            return None

    def _score(self, part: _Part, generation: Generation) -> None:
        """Note what the model thought of the prompt's tokens that follow those of `part`."""
        prompt = generation.request.prompt
        for offset in range(part.count):
            place = part.start + offset + 1
            if place < len(prompt):
                logits = self.context.logits(part.last - part.count + 1 + offset)
                logprob, top = self._probabilities(logits, prompt[place], generation.request.settings.top_logprobs or 0)
                piece = self._vocab.piece(prompt[place], special=True)
                text = piece.decode("utf-8", "replace")
                generation.prompt_scores.append(Token(prompt[place], piece, text, logprob, top))

    def _choose(self, slot: _Slot, generation: Generation, sampler: Sampler, index: int) -> Token:
        """The next token of a generation, counted and remembered."""
        logits = self.context.logits(index)
        chosen = sampler.sample(logits)
        ends = self._vocab.ends(chosen) and not generation.request.endless
        piece = b"" if ends else self._vocab.piece(chosen, special=chosen in generation.request.shown)
        logprob, top = self._probabilities(logits, chosen, generation.request.settings.top_logprobs)
        text = generation.take(chosen, piece, ends=ends, full=len(slot.held) + 1 >= self._limit)
        if generation.finish is None:
            sampler.accept(chosen)
            slot.todo, slot.scores = [chosen], False
        else:
            slot.close()
        return Token(chosen, piece, text, logprob, top)

    def _probabilities(
        self, logits: Floats, token: int, count: int | None
    ) -> tuple[float | None, tuple[Alternative, ...]]:
        """The log probability of `token`, and the `count` likeliest tokens; nothing when `count` is None."""
        if count is None:
            return None, ()
        logs = log_probabilities(logits)
        return float(logs[token]), tuple(
            Alternative(i, self._vocab.piece(i, special=True), float(logs[i])) for i in best(logs, count)
        )


def best(values: Floats, count: int) -> list[int]:
    """The indices of the `count` largest values, the largest first; of equal ones the lower index."""
    count = min(count, len(values))
    if not count:
        return []
    cut = np.partition(values, len(values) - count)[len(values) - count]
    found = np.flatnonzero(values >= cut)
    return [int(i) for i in found[np.argsort(-values[found], kind="stable")][:count]]


def _common(a: list[int], b: list[int]) -> int:
    """The length of the common beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def generate(slots: Slots, request: Request) -> Iterator[Token]:
    """The tokens of the answer to one request, as they come; leaving the loop early frees the slot.

    `HubError` when it cannot go on.
    """
    generation = slots.add(request)
    try:
        while generation.finish is None:
            yield from (token for owner, token in slots.step() if owner is generation)
        if generation.failure is not None:
            raise generation.failure
    finally:
        slots.cancel(generation)


def generate_all(slots: Slots, requests: Iterable[Request]) -> Iterator[tuple[int, Generation, Token]]:
    """Answer all requests in one continuous batch: (number of the request, its generation, token), as they come.

    `HubError` when one cannot go on; whatever ends the loop frees the slots.
    """
    waiting = deque(enumerate(requests))
    running: dict[int, Generation] = {}
    try:
        while waiting or running:
            while waiting and slots.free:
                number, request = waiting.popleft()
                running[number] = slots.add(request)
            numbers = {id(generation): number for number, generation in running.items()}
            for generation, token in slots.step():
                yield numbers[id(generation)], generation, token
            running = {number: g for number, g in running.items() if _going(g)}
    finally:
        for generation in running.values():
            slots.cancel(generation)


def _going(generation: Generation) -> bool:
    """Whether there is more to come; raises the failure of one that failed."""
    if generation.failure is not None:
        raise generation.failure
    return generation.finish is None
