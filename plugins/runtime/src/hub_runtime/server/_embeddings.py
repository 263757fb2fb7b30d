"""POST /v1/embeddings."""

from __future__ import annotations

import asyncio
import base64
from functools import partial
from typing import Any

import numpy as np
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from hub_runtime.engine import Context, PromptTooLong, embed
from hub_runtime.server._engine import Engine
from hub_runtime.server._errors import invalid
from hub_runtime.server._prompts import token_lists
from hub_runtime.server._requests import EmbeddingBody, parsed
from hub_runtime.server._respond import unless_left
from hub_runtime.server._state import state_of

# As many as OpenAI takes.
_MOST_INPUTS = 2048


async def embeddings(request: HttpRequest) -> Response:
    """The embeddings of one text or several, of length 1; other requests go on between two of them."""
    body = await parsed(request, EmbeddingBody)
    engine = state_of(request).find(body.model)
    engine.need_ready()
    prompts, context = await asyncio.to_thread(_prepared, body, engine)
    calls = [partial(_embedded, context, prompt) for prompt in prompts]
    vectors = await unless_left(request.receive, engine.compute(calls))
    count = sum(map(len, prompts))
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector, body.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": count, "total_tokens": count}
    return JSONResponse({"object": "list", "data": data, "model": engine.name, "usage": usage})


def _prepared(body: EmbeddingBody, engine: Engine) -> tuple[list[list[int]], Context]:
    if engine.embedder is None:
        message = f"the model {engine.name} generates text; start the server with --pooling to take embeddings of it"
        raise invalid(message, "model")
    if body.dimensions not in (None, engine.model.n_embd):
        raise invalid(f"the embeddings of this model have {engine.model.n_embd} dimensions", "dimensions")
    prompts = token_lists(body.input, engine.model, "input")
    if len(prompts) > _MOST_INPUTS:
        raise invalid(f"{len(prompts)} inputs at once; {_MOST_INPUTS} are taken", "input")
    longest = max(map(len, prompts))
    if longest > engine.ctx:
        raise invalid(str(PromptTooLong(longest, engine.ctx)), "input", "context_length_exceeded")
    return prompts, engine.embedder


def _embedded(context: Context, prompt: list[int]) -> Any:
    return np.array(next(iter(embed(context, [prompt], normalize=True))), "<f4")


def _written(vector: Any, encoding: str | None) -> str | list[float]:
    return base64.b64encode(vector.tobytes()).decode("ascii") if encoding == "base64" else vector.tolist()
