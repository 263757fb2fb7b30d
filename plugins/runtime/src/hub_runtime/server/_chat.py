"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from hub_runtime.engine import Finish, Generation, Request, Token
from hub_runtime.server._answer import Piece
from hub_runtime.server._engine import Engine
from hub_runtime.server._logprobs import chat_logprobs
from hub_runtime.server._prompts import chat_tokens
from hub_runtime.server._requests import ChatBody, parsed
from hub_runtime.server._respond import Reply
from hub_runtime.server._settings import constraint_of, refuse_chat_fields, seeds, settings_of
from hub_runtime.server._state import state_of
from hub_runtime.server.tools import CallReader, Use, forced, use_of


async def chat_completions(request: HttpRequest) -> Response:
    """Answer a conversation, `n` times."""
    body = await parsed(request, ChatBody)
    engine = state_of(request).find(body.model)
    engine.need_ready()
    reply = await asyncio.to_thread(_prepared, body, engine)
    return await reply.respond(request, stream=body.stream)


def _prepared(body: ChatBody, engine: Engine) -> Reply:
    """The work that may take a while: the template, the grammar, reading the prompt."""
    refuse_chat_fields(body)
    use = use_of(body, engine.model)
    top = (body.top_logprobs or 0) if body.logprobs else None
    constraint = constraint_of(body.response_format) | forced(body, use)
    settings = settings_of(body, engine, top, **constraint)
    prompt = chat_tokens(body, engine.name, engine.model, tools=use is not None)
    most = body.max_completion_tokens or body.max_tokens
    first = Request(prompt, settings, most, body.stops, shown=use.shown if use is not None else frozenset())
    requests = [replace(first, settings=replace(settings, seed=s)) for s in seeds(settings, body.n or 1)]
    shape = ChatShape(engine, len(requests), use, logprobs=bool(body.logprobs))
    return Reply(engine, body, requests, shape, "messages")


class ChatShape:
    """{"index", "message" or "delta", "logprobs", "finish_reason"}; with a `use`, calls are told from words."""

    object = "chat.completion"
    chunk = "chat.completion.chunk"
    prefix = "chatcmpl"

    def __init__(self, engine: Engine, parts: int, use: Use | None, *, logprobs: bool) -> None:
        self._vocab, self._logprobs = engine.model.vocab, logprobs
        self._readers = [CallReader(use.style, use.schemas) if use is not None else None for _ in range(parts)]

    def opening(self, part: int) -> dict[str, Any] | None:
        """The role."""
        return self._delta(part, {"role": "assistant", "content": ""})

    def piece(self, piece: Piece) -> list[dict[str, Any]]:
        """New words, new calls, and at last the reason why it ended."""
        words, calls = self._read(piece.part, piece.token.text, last=piece.finish is not None)
        logprobs = self._probabilities([piece.token])
        made = []
        if words or (logprobs and logprobs["content"]):
            made.append(self._delta(piece.part, {"content": words}, logprobs=logprobs))
        if calls:
            made.append(self._delta(piece.part, {"tool_calls": calls}))
        if piece.finish is not None:
            made.append(self._delta(piece.part, {}, finish=self._reason(piece.part, piece.finish)))
        return made

    def whole(
        self, part: int, tokens: Sequence[Token], finish: Finish, generation: Generation | None = None
    ) -> dict[str, Any]:
        """The whole message."""
        words, calls = self._read(part, "".join(token.text for token in tokens), last=True)
        message: dict[str, Any] = {"role": "assistant", "content": words or (None if calls else ""), "refusal": None}
        if calls:
            message["tool_calls"] = [{k: v for k, v in call.items() if k != "index"} for call in calls]
        logprobs = self._probabilities(tokens)
        return {"index": part, "message": message, "logprobs": logprobs, "finish_reason": self._reason(part, finish)}

    def _delta(
        self, part: int, delta: dict[str, Any], *, logprobs: dict[str, Any] | None = None, finish: str | None = None
    ) -> dict[str, Any]:
        return {"index": part, "delta": delta, "logprobs": logprobs, "finish_reason": finish}

    def _read(self, part: int, text: str, *, last: bool) -> tuple[str, list[dict[str, Any]]]:
        """Words and numbered calls of new text."""
        reader = self._readers[part]
        if reader is None:
            return text, []
        before = len(reader.calls)
        words, calls = reader.feed(text, last=last)
        return words, [{"index": number, **call} for number, call in enumerate(calls, before)]

    def _reason(self, part: int, finish: Finish) -> str:
        reader = self._readers[part]
        return "tool_calls" if finish == "stop" and reader is not None and reader.calls else finish

    def _probabilities(self, tokens: Sequence[Token]) -> dict[str, Any] | None:
        return chat_logprobs(tokens, self._vocab) if self._logprobs else None
