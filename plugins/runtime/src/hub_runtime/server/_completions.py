"""POST /v1/completions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from hub_runtime.engine import Finish, Generation, Request, Token
from hub_runtime.server._answer import Piece
from hub_runtime.server._engine import Engine
from hub_runtime.server._errors import invalid
from hub_runtime.server._logprobs import completion_logprobs, prompt_logprobs
from hub_runtime.server._prompts import infilling, token_lists
from hub_runtime.server._requests import CompletionBody, parsed
from hub_runtime.server._respond import Reply, token_counts, whole_document
from hub_runtime.server._settings import refuse_completion_fields, seeds, settings_of
from hub_runtime.server._state import state_of

# OpenAI's own default.
_MAX_TOKENS = 16


async def completions(request: HttpRequest) -> Response:
    """Continue one prompt or several, each `n` times."""
    body = await parsed(request, CompletionBody)
    engine = state_of(request).find(body.model)
    engine.need_ready()
    if body.max_tokens == 0:
        return JSONResponse(await asyncio.to_thread(_echo_alone, body, engine))
    reply = await asyncio.to_thread(_prepared, body, engine)
    return await reply.respond(request, stream=body.stream)


def _prepared(body: CompletionBody, engine: Engine) -> Reply:
    """The work that may take a while: reading prompts."""
    refuse_completion_fields(body)
    choices = body.best_of or body.n or 1
    compared = 0 if choices > (body.n or 1) else None  # the best of several are told by their log probabilities
    settings = settings_of(body, engine, compared if body.logprobs is None else body.logprobs)
    prompts = token_lists(body.prompt, engine.model, "prompt")
    if body.suffix:
        prompts = infilling(prompts, body.suffix, engine.name, engine.model)
    most = _MAX_TOKENS if body.max_tokens is None else body.max_tokens
    scored = bool(body.echo) and body.logprobs is not None
    requests = [
        Request(prompt, replace(settings, seed=seed), most, body.stops, score_prompt=scored)
        for prompt in prompts
        for seed in seeds(settings, choices)
    ]
    echoed = _echoed(body, prompts, engine) if body.echo else [""] * len(prompts)
    texts = [text for text in echoed for _ in range(choices)]
    shape = CompletionShape(engine, texts, logprobs=body.logprobs is not None)
    return Reply(engine, body, requests, shape, "prompt", choices)


def _echo_alone(body: CompletionBody, engine: Engine) -> dict[str, Any]:
    """The answer to `max_tokens` 0: the prompts, and nothing generated."""
    refuse_completion_fields(body)
    if body.stream:
        raise invalid("max_tokens 0 gives nothing to stream", "max_tokens")
    prompts = token_lists(body.prompt, engine.model, "prompt")
    texts = [text for text in _echoed(body, prompts, engine) for _ in range(body.n or 1)]
    shape = CompletionShape(engine, texts, logprobs=False)
    choices = [shape.whole(part, (), "length") for part in range(len(texts))]
    return whole_document(shape, engine, choices, token_counts(sum(map(len, prompts)), 0, 0))


def _echoed(body: CompletionBody, prompts: list[list[int]], engine: Engine) -> list[str]:
    """The texts of the prompts, as they were given where they were texts."""
    given = body.prompt
    if isinstance(given, str):
        return [given]
    detokenize = engine.model.vocab.detokenize
    texts = [text for text in given if isinstance(text, str)]
    return texts or [detokenize(tokens) for tokens in prompts]


class CompletionShape:
    """{"text", "index", "logprobs", "finish_reason"}; `echoed` are the texts that the choices begin with."""

    object = chunk = "text_completion"
    prefix = "cmpl"

    def __init__(self, engine: Engine, echoed: Sequence[str], *, logprobs: bool) -> None:
        self._vocab, self._echoed, self._logprobs = engine.model.vocab, echoed, logprobs
        self._offsets = [len(text) for text in echoed]

    def _choice(self, part: int, text: str, finish: Finish | None, logprobs: dict[str, Any] | None) -> dict[str, Any]:
        return {"index": part, "text": text, "logprobs": logprobs, "finish_reason": finish}

    def opening(self, part: int) -> dict[str, Any] | None:
        """The prompt, when it is echoed."""
        return self._choice(part, self._echoed[part], None, None) if self._echoed[part] else None

    def piece(self, piece: Piece) -> list[dict[str, Any]]:
        """The new text, unless there is none to tell."""
        logprobs = self._probabilities(piece.part, [piece.token])
        if not piece.token.text and piece.finish is None and logprobs is None:
            return []
        return [self._choice(piece.part, piece.token.text, piece.finish, logprobs)]

    def whole(
        self, part: int, tokens: Sequence[Token], finish: Finish, generation: Generation | None = None
    ) -> dict[str, Any]:
        """The whole text, and the log probabilities of what of it was scored."""
        text = self._echoed[part] + "".join(token.text for token in tokens)
        logprobs = self._probabilities(part, tokens)
        if logprobs is not None and generation is not None and generation.request.score_prompt:
            before = prompt_logprobs(generation.request.prompt[0], generation.prompt_scores, self._vocab)
            logprobs = {name: before[name] + values for name, values in logprobs.items()}
        return self._choice(part, text, finish, logprobs)

    def _probabilities(self, part: int, tokens: Sequence[Token]) -> dict[str, Any] | None:
        if not self._logprobs:
            return None
        found = completion_logprobs(tokens, self._vocab, self._offsets[part])
        self._offsets[part] += sum(map(len, found["tokens"]))
        return found
