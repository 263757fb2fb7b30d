"""What the server says about itself: models, health, metrics."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub_runtime import __version__
from hub_runtime.server._errors import RETRY_AFTER
from hub_runtime.server._state import State, state_of

LIVE = {"schema": "hub.live/1", "status": "ok"}


async def models(request: Request) -> Response:
    """GET /v1/models."""
    state = state_of(request)
    return JSONResponse({"object": "list", "data": [_model(state, name) for name in state.engines]})


async def model(request: Request) -> Response:
    """GET /v1/models/{id}."""
    state = state_of(request)
    return JSONResponse(_model(state, state.find(request.path_params["id"]).name))


def _model(state: State, name: str) -> dict[str, Any]:
    engine = state.engines[name]
    facts: dict[str, Any] = {"id": name, "object": "model", "created": state.created, "owned_by": "hub"}
    if engine.state == "ready":
        facts["hub"] = {
            "context": engine.ctx,
            "generates": engine.slots is not None,
            "embeds": engine.embedder is not None,
            "chat": engine.slots is not None and engine.model.template is not None,
        }
    return facts


async def health(request: Request) -> Response:
    """GET /health and /health/ready: 200 when requests are taken, 503 with the reason when not."""
    state = state_of(request)
    body = {
        "schema": "hub.health/1",
        "status": state.status,
        "version": __version__,
        "models": {name: engine.state for name, engine in state.engines.items()},
        "uptime_seconds": round(time.time() - state.created, 3),
    }
    return JSONResponse(body) if state.status == "ok" else JSONResponse(body, 503, RETRY_AFTER)


async def live(_: Request) -> Response:
    """GET /health/live: 200 as long as the process answers."""
    return JSONResponse(LIVE)


async def metrics(request: Request) -> Response:
    """GET /metrics: Prometheus' text format."""
    return Response(state_of(request).metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
