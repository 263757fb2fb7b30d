"""One request and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from hub.errors import HubError, UsageError
from hub_runtime.engine._settings import Settings
from hub_runtime.engine._stream import TextStream

Finish = Literal["stop", "length", "cancelled", "failed"]


class PromptTooLong(UsageError):
    """A prompt of `tokens` tokens does not fit into a context of `limit`."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(
            f"the prompt has {tokens} tokens, the context holds {limit} with at least one to generate",
            hint="shorten it, or ask for a larger --ctx",
        )
        self.tokens, self.limit = tokens, limit


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate: token ids of the prompt, at most `max_tokens` more (None: as many as fit), `stop` strings.

    `endless` goes on behind tokens that end an answer, as measurements of speed want it. `score_prompt` reports the log
    probability of each token of the prompt behind the first (`Generation.prompt_scores`), and the best rivals as the
    settings' `top_logprobs` says. `shown` are control tokens whose text belongs to the answer; that of others does not.
    """

    prompt: Sequence[int]
    settings: Settings = field(default_factory=Settings)
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    endless: bool = False
    score_prompt: bool = False
    shown: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not self.prompt:
            raise UsageError("the prompt is empty and the model has no token to begin with")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise UsageError(f"max_tokens must be at least 1, not {self.max_tokens}")


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could have been chosen, and its log probability before sampling."""

    id: int
    piece: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token: its `id`, its own bytes, and the `text` that became certain with it (maybe none).

    Texts joined are the answer, without stop strings. `logprob` and `top` (best first) are there when the settings'
    `top_logprobs` asks for them. The token that ends an answer (EOS) is reported too, with the rest of the text and
    without bytes.
    """

    id: int
    piece: bytes
    text: str
    logprob: float | None = None
    top: tuple[Alternative, ...] = ()


@dataclass
class Counters:
    """Counts and times of one generation, times from `time.perf_counter` in seconds.

    `cached_tokens` of the prompt were computed earlier for another request.
    """

    prompt_tokens: int
    cached_tokens: int = 0
    generated_tokens: int = 0
    started: float = field(default_factory=time.perf_counter)
    first_token: float | None = None
    ended: float | None = None

    @property
    def time_to_first_token(self) -> float | None:
        """Seconds from the start to the first token."""
        return None if self.first_token is None else self.first_token - self.started

    @property
    def generation_seconds(self) -> float:
        """Seconds from the first token to the last."""
        return 0.0 if self.first_token is None or self.ended is None else self.ended - self.first_token

    @property
    def seconds(self) -> float:
        """Seconds from the start to the last token."""
        return 0.0 if self.ended is None else self.ended - self.started

    @property
    def prompt_per_second(self) -> float | None:
        """Tokens of the prompt computed per second until the first token was there."""
        seconds = self.time_to_first_token
        return (self.prompt_tokens - self.cached_tokens) / seconds if seconds else None

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens per second after the first; None when there is no second one."""
        more = self.generated_tokens - 1
        return more / self.generation_seconds if more > 0 and self.generation_seconds else None


class Generation:
    """A request being answered: the tokens and text so far, why it ended (`finish`, None while it goes on), counters.

    `tokens` leaves out the token that ends an answer. `seed` is the one in use. `stopped` is the stop string met,
    `failure` why it is "failed". `prompt_scores` are the prompt's tokens behind the first, with what the model thought
    of each, when the request asks for them.
    """

    def __init__(self, request: Request, seed: int) -> None:
        self.request, self.seed = request, seed
        self.tokens: list[int] = []
        self.prompt_scores: list[Token] = []
        self.finish: Finish | None = None
        self.failure: HubError | None = None
        self.counters = Counters(len(request.prompt))
        self.stream = TextStream(request.stop)
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    @property
    def stopped(self) -> str | None:
        """The stop string that ended the answer."""
        return self.stream.stopped

    def take(self, token: int, piece: bytes, *, ends: bool, full: bool) -> str:
        """Count a chosen token; the text that became certain. `ends`: the model says stop; `full`: no more fit."""
        self.counters.generated_tokens += 1
        self.counters.ended = time.perf_counter()
        if self.counters.first_token is None:
            self.counters.first_token = self.counters.ended
        text = ""
        if not ends:
            self.tokens.append(token)
            text = self.stream.feed(piece)
        if ends or self.stream.stopped is not None:
            self.finish = "stop"
        elif full or self.counters.generated_tokens == self.request.max_tokens:
            self.finish = "length"
        if self.finish is not None:
            text += self.stream.flush()
        self._texts.append(text)
        return text
