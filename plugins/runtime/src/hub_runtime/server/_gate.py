"""The gate that every HTTP request passes: its id, the key, the log line, the count, errors in OpenAI's shape."""

from __future__ import annotations

import logging
import re
import time
from typing import Protocol
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub_runtime.server._errors import ApiError, api_error, unavailable
from hub_runtime.server._keys import Keys
from hub_runtime.server._log import log
from hub_runtime.server._metrics import Metrics

# Open to everybody: an orchestrator asks for the health, a browser for the page, without a key.
OPEN = {"/", "/health", "/health/live", "/health/ready"}
# Answered while the server is stopping or loading: whoever watches it must see that.
_ALWAYS = OPEN | {"/metrics"}
_ID = re.compile(r"[\x21-\x7e]{1,128}")


class House(Protocol):
    """What the gate needs to know, and counts: `in_flight` are the requests whose response is not complete."""

    keys: Keys
    metrics: Metrics
    draining: bool
    in_flight: int


class Gate:
    """ASGI middleware around `app`."""

    def __init__(self, app: ASGIApp, state: House) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        visit = _Visit(given if _ID.fullmatch(given) else uuid4().hex, send)
        scope["request_id"] = visit.id
        self.state.in_flight += 1
        try:
            self._admit(scope)
            await self.app(scope, receive, visit.send)
        except Exception as error:  # whatever happens is answered in the shape that clients know
            await self._answer(visit, error, scope, receive)
        finally:
            self.state.in_flight -= 1
            self._record(scope, visit)

    def _admit(self, scope: Scope) -> None:
        path = scope["path"]
        if path not in OPEN and not self.state.keys.admits(Headers(scope=scope).get("authorization")):
            headers = {"WWW-Authenticate": "Bearer"}
            raise ApiError(401, "the API key is missing or wrong", code="invalid_api_key", headers=headers)
        if path not in _ALWAYS and self.state.draining:
            raise unavailable("the server is stopping")

    async def _answer(self, visit: _Visit, error: Exception, scope: Scope, receive: Receive) -> None:
        refusal = api_error(error)
        if refusal.status >= 500 and not isinstance(error, ApiError):
            log("error", level=logging.ERROR, error=error, request_id=visit.id, path=scope["path"])
        visit.status = visit.status or refusal.status
        if not visit.started:
            await refusal.response()(scope, receive, visit.send)

    def _record(self, scope: Scope, visit: _Visit) -> None:
        # the route's pattern: as many time series as endpoints, whatever paths are asked for
        route = scope.get("route")
        endpoint = getattr(route, "path", None) or "other"
        seconds = time.perf_counter() - visit.began
        self.state.metrics.requests.labels(endpoint, str(visit.status)).inc()
        self.state.metrics.seconds.labels(endpoint).observe(seconds)
        log(
            "request", request_id=visit.id, method=scope["method"], path=scope["path"], status=visit.status,
            seconds=round(seconds, 4), client=(scope.get("client") or [None])[0],
        )  # fmt: skip


class _Visit:
    """One request: its id, when it began, and what was sent back."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.id, self.began, self.started, self.status = request_id, time.perf_counter(), False, 0
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            MutableHeaders(scope=message)["x-request-id"] = self.id
        await self._send(message)
