"""The application: which path is answered by what."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub_runtime.server._chat import chat_completions
from hub_runtime.server._completions import completions
from hub_runtime.server._embeddings import embeddings
from hub_runtime.server._errors import ApiError, api_error
from hub_runtime.server._gate import Gate
from hub_runtime.server._page import page
from hub_runtime.server._state import State
from hub_runtime.server._system import health, live, metrics, model, models

ROUTES = [
    Route("/", page),
    Route("/v1/completions", completions, methods=["POST"]),
    Route("/v1/chat/completions", chat_completions, methods=["POST"]),
    Route("/v1/embeddings", embeddings, methods=["POST"]),
    Route("/v1/models", models),
    Route("/v1/models/{id:path}", model),
    Route("/health", health),
    Route("/health/live", live),
    Route("/health/ready", health),
    Route("/metrics", metrics),
]


def application(state: State) -> Starlette:
    """The ASGI application that serves `state`."""
    handlers = {ApiError: _refused, HTTPException: _no_route}
    app = Starlette(routes=ROUTES, middleware=[Middleware(Gate, state=state)], exception_handlers=handlers)
    app.state.server = state
    return app


async def _refused(_: Request, error: Exception) -> Response:
    return api_error(error).response()


async def _no_route(request: Request, error: Exception) -> Response:
    """404 and 405, in the shape of the other errors, with what there is instead."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    there = ", ".join(route.path for route in ROUTES)
    message = f"{request.method} {request.url.path[:200]} is not served here; there are {there}"
    headers = dict(getattr(error, "headers", None) or {})
    return ApiError(status, message, code="not_found" if status == 404 else None, headers=headers).response()
