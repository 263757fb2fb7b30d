"""What can be wrong with a request, in the shape of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from hub.errors import HubError, UsageError
from hub_runtime.engine import PromptTooLong

# Seconds after which a client that was refused for lack of room may ask again.
RETRY_AFTER = {"Retry-After": "1"}


class ApiError(Exception):
    """A refusal: HTTP `status`, `message`, OpenAI's `code`, the `param` at fault, and headers to send along."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """{"error": {"message", "type", "param", "code"}}."""
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """The HTTP response."""
        return JSONResponse(self.body, self.status, self.headers)


_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A 400: the request cannot be honoured as it stands."""
    return ApiError(400, message, param=param, code=code)


def busy() -> ApiError:
    """A 429: all slots are in use and the queue is full."""
    message = "all slots are in use and the queue is full; try again later"
    return ApiError(429, message, code="rate_limit_exceeded", headers=RETRY_AFTER)


def unavailable(message: str) -> ApiError:
    """A 503: not now."""
    return ApiError(503, message, code="unavailable", headers=RETRY_AFTER)


def api_error(error: BaseException) -> ApiError:
    """What to answer for an exception of any kind; the text of an unforeseen one stays in the log."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, PromptTooLong):
        return invalid(str(error), "messages", "context_length_exceeded")
    if isinstance(error, UsageError):
        return invalid(str(error))
    if isinstance(error, HubError):
        return ApiError(500, error.message, code="engine_error")
    return ApiError(500, "the server failed; its log says more under this request's id", code="internal_error")
