"""Answers to generating requests: whole, or as server-sent events; a client that leaves frees its slots."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from hub_runtime import __version__
from hub_runtime.engine import Finish, Generation, PromptTooLong, Request, Token
from hub_runtime.server._answer import Answer, Part, Piece
from hub_runtime.server._engine import Engine
from hub_runtime.server._errors import ApiError, api_error, invalid
from hub_runtime.server._log import log
from hub_runtime.server._requests import Sampling
from hub_runtime.server._state import state_of

T = TypeVar("T")


class Shape(Protocol):
    """How one endpoint words its answers. `object` and `chunk` are the objects' names, `prefix` that of their ids."""

    object: str
    chunk: str
    prefix: str

    def opening(self, part: int) -> dict[str, Any] | None:
        """The choice of a first chunk of part `part`, before any token."""

    def piece(self, piece: Piece) -> list[dict[str, Any]]:
        """The choices of the chunks that a token gives."""

    def whole(
        self, part: int, tokens: Sequence[Token], finish: Finish, generation: Generation | None = None
    ) -> dict[str, Any]:
        """The choice of a whole answer."""


class Reply:
    """One request to `engine` and its answer in `shape`.

    `choices` is the number of answers to one prompt, of which the body's `n` are told: those whose tokens are the
    likeliest on the average.
    """

    def __init__(
        self,
        engine: Engine,
        body: Sampling,
        requests: Sequence[Request],
        shape: Shape,
        param: str,
        choices: int | None = None,
    ) -> None:
        for request in requests:
            if len(request.prompt) >= engine.ctx:
                error = PromptTooLong(len(request.prompt), engine.ctx)
                raise invalid(str(error), param, "context_length_exceeded")
        self.engine, self.requests, self.shape = engine, requests, shape
        self.told = body.n or 1
        self.choices = choices or self.told
        self._wants_usage = body.stream_options is not None and body.stream_options.include_usage
        # what all chunks begin with; the interpreter is shared with the engine, so it is written once
        self._opening = _json({**_head(shape, engine), "object": shape.chunk})[:-1]

    async def respond(self, request: HttpRequest, *, stream: bool | None) -> Response:
        """The HTTP response: for a stream as soon as a slot is at work, so that refusals have their own status."""
        self._request = request
        self.answer: Answer = self.engine.submit(self.requests)
        try:
            if stream:
                await unless_left(request.receive, self.answer.admitted())
                return EventStream(self)
            document = await unless_left(request.receive, self._whole())
        except BaseException:
            self.end()
            raise
        self.end()
        return JSONResponse(document)

    def end(self) -> None:
        """The answer is complete, or nobody waits for it any more."""
        self.engine.cancel(self.answer)
        traces = state_of(self._request).traces
        if traces is not None:
            scope = self._request.scope
            name, model = f"{scope['method']} {scope['path']}", self.engine.name
            traces.record(name, model, self.answer, self._request.headers, scope["request_id"])

    async def _whole(self) -> dict[str, Any]:
        tokens: dict[int, list[Token]] = {part.number: [] for part in self.answer.parts}
        finishes: dict[int, Finish] = {}
        async for piece in self.answer.pieces():
            tokens[piece.part].append(piece.token)
            if piece.finish is not None:
                finishes[piece.part] = piece.finish
        choices = [
            {**self.shape.whole(p.number, tokens[p.number], finishes[p.number], p.generation), "index": index}
            for index, p in enumerate(self._best(tokens))
        ]
        return whole_document(self.shape, self.engine, choices, self._usage())

    def _best(self, tokens: dict[int, list[Token]]) -> list[Part]:
        """The parts that are told, of each prompt the likeliest first where some are not."""
        parts = self.answer.parts
        if self.told == self.choices:
            return parts
        groups = [parts[start : start + self.choices] for start in range(0, len(parts), self.choices)]
        return [p for group in groups for p in sorted(group, key=lambda p: -_likely(tokens[p.number]))[: self.told]]

    async def events(self) -> AsyncIterator[bytes]:
        """The server-sent events."""
        for part in self.answer.parts:
            opening = self.shape.opening(part.number)
            if opening is not None:
                yield self._event([opening])
        async for piece in self.answer.pieces():
            for choice in self.shape.piece(piece):
                yield self._event([choice])
        if self._wants_usage:
            yield self._event([], self._usage())
        yield b"data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        rest = {"choices": choices, "usage": usage} if self._wants_usage else {"choices": choices}
        return _data(f"{self._opening},{_json(rest)[1:]}")

    def _usage(self) -> dict[str, Any]:
        """Token counts; a prompt counts once however many choices it has."""
        counters = [part.generation.counters for part in self.answer.parts if part.generation is not None]
        prompts = counters[:: self.choices]
        return token_counts(
            sum(c.prompt_tokens for c in prompts),
            sum(c.generated_tokens for c in counters),
            sum(c.cached_tokens for c in prompts),
        )


def _likely(tokens: Sequence[Token]) -> float:
    """The mean log probability of the tokens."""
    return sum(token.logprob or 0.0 for token in tokens) / max(1, len(tokens))


def token_counts(prompt: int, generated: int, cached: int) -> dict[str, Any]:
    """OpenAI's `usage`: tokens of the prompts (`cached` of them computed before) and of the answers."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def whole_document(
    shape: Shape, engine: Engine, choices: list[dict[str, Any]], usage: dict[str, Any]
) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    return {**_head(shape, engine), "object": shape.object, "choices": choices, "usage": usage}


def _head(shape: Shape, engine: Engine) -> dict[str, Any]:
    return {
        "id": f"{shape.prefix}-{uuid4().hex}",
        "created": int(time.time()),
        "model": engine.name,
        "system_fingerprint": f"hub-runtime-{__version__}",
    }


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _data(text: str) -> bytes:
    return b"data: " + text.encode("utf-8", "replace") + b"\n\n"


def error_event(error: ApiError) -> bytes:
    """The event that ends a stream which cannot go on."""
    return _data(_json(error.body))


class EventStream(Response):
    """The events of a `Reply`; an error in the middle is an event of its own, without [DONE] behind it."""

    media_type = "text/event-stream"

    def __init__(self, reply: Reply) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_left(receive, self._send(send))
        except ApiError as error:
            log("stream_ended", code=error.code, message=error.message)
        finally:
            self._reply.end()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for event in self._reply.events():
                await send({"type": "http.response.body", "body": event, "more_body": True})
        except Exception as error:  # the status is sent already; the client must learn of it all the same
            await send({"type": "http.response.body", "body": error_event(api_error(error)), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def unless_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, given up with `ApiError` 499 when the client leaves before."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ApiError(499, "the client left", code="cancelled")
        return task.result()
    finally:
        for unfinished in (task, gone):
            unfinished.cancel()
            with suppress(BaseException):
                await unfinished


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
