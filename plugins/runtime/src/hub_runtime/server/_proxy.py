"""The front of the replicas: each request goes to the one whose turn it is."""

from __future__ import annotations

import time

import httpx
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from hub_runtime import __version__
from hub_runtime.server._app import ROUTES
from hub_runtime.server._errors import RETRY_AFTER, ApiError, api_error, unavailable
from hub_runtime.server._fleet import Fleet, Replica
from hub_runtime.server._log import log
from hub_runtime.server._metrics import Metrics, merged
from hub_runtime.server._requests import read_body
from hub_runtime.server._respond import error_event, unless_left
from hub_runtime.server._system import LIVE

# Headers that belong to one connection (RFC 9110, section 7.6.1), and those that the gate or the server sets itself.
_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"proxy-connection"}
_OURS = {b"host", b"content-length", b"authorization", b"date", b"x-request-id"}


class Front:
    """ASGI application: health and metrics of all replicas together, and everything else from one of them."""

    def __init__(self, fleet: Fleet, metrics: Metrics) -> None:
        self.fleet, self.metrics, self._began = fleet, metrics, time.time()
        self._own = {"/health": self._health, "/health/ready": self._health, "/metrics": self._metrics}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # the route's pattern is what the metrics call the endpoint
        scope["route"] = next((route for route in ROUTES if route.matches(scope)[0] is not Match.NONE), None)
        request = Request(scope, receive)
        path = request.url.path
        if path == "/health/live":
            await JSONResponse(LIVE)(scope, receive, send)
        elif path in self._own:
            await (await self._own[path]())(scope, receive, send)
        else:
            body = await read_body(request)
            await unless_left(receive, self._forward(request, body, send))

    async def _health(self) -> Response:
        states = {str(r.number): "ready" if r.ready else "starting" for r in self.fleet.replicas}
        able = "ready" in states.values()
        body = {"schema": "hub.health/1", "status": "ok" if able else "loading", "version": __version__,
                "replicas": states, "uptime_seconds": round(time.time() - self._began, 3)}  # fmt: skip
        return JSONResponse(body) if able else JSONResponse(body, 503, RETRY_AFTER)

    async def _metrics(self) -> Response:
        texts = {"front": self.metrics.text().decode()}
        for replica in self.fleet.replicas:
            if replica.ready:
                try:
                    texts[str(replica.number)] = (await replica.client.get("/metrics", timeout=5.0)).text
                except httpx.TransportError:
                    continue  # it died just now; its restart is counted
        return Response(merged(texts), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _forward(self, request: Request, body: bytes, send: Send) -> None:
        """Send the request on; to the next replica when one is not there or has no room."""
        refusal: httpx.Response | ApiError = unavailable("no replica is ready")
        for replica in self.fleet.turn():
            answer = await self._ask(replica, request, body)
            if isinstance(answer, httpx.Response) and answer.status_code != 429:
                await _pass_on(answer, send, replica)
                return
            if isinstance(answer, httpx.Response):
                await answer.aread()
            refusal = answer or refusal
        if isinstance(refusal, ApiError):
            raise refusal
        await _pass_on(refusal, send, None)

    async def _ask(self, replica: Replica, request: Request, body: bytes) -> httpx.Response | None:
        """The beginning of the replica's answer, None when it is not there."""
        headers = [(k, v) for k, v in request.headers.raw if k not in _HOP | _OURS]
        headers.append((b"x-request-id", request.scope["request_id"].encode()))
        url = httpx.URL("http://replica", raw_path=request.scope["raw_path"] + _query(request.scope))
        message = replica.client.build_request(request.method, url, headers=headers, content=body)
        try:
            return await replica.client.send(message, stream=True)
        except httpx.ConnectError:
            return None
        except httpx.TransportError as error:  # it died over this request: another one must not die of it too
            raise ApiError(502, "the replica that worked on it died", code="replica_lost") from error


def _query(scope: Scope) -> bytes:
    return b"?" + scope["query_string"] if scope["query_string"] else b""


async def _pass_on(answer: httpx.Response, send: Send, replica: Replica | None) -> None:
    """Send an answer to the client piece by piece; one that breaks off in the middle of events ends with an error."""
    headers = [(k.lower(), v) for k, v in answer.headers.raw if k.lower() not in _HOP | {b"date", b"x-request-id"}]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    try:
        if answer.is_stream_consumed:
            await send({"type": "http.response.body", "body": answer.content, "more_body": True})
        else:
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except httpx.TransportError as error:
        log("replica_lost", replica=replica.number if replica else None, error_type=type(error).__name__)
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise
        lost = api_error(ApiError(502, "the replica that worked on it died", code="replica_lost"))
        await send({"type": "http.response.body", "body": error_event(lost), "more_body": True})
    finally:
        await answer.aclose()
    await send({"type": "http.response.body", "body": b"", "more_body": False})
