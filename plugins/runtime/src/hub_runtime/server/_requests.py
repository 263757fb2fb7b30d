"""The bodies of requests, as OpenAI's API has them, with llama.cpp's further settings.

Unknown fields are ignored. A known field that this server cannot honour is refused, never ignored, unless it changes
nothing about the answer (`user`, `metadata`, ...).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import ClientDisconnect, Request

from hub_runtime.server._errors import ApiError, invalid

# A request body may be so long; an over-long prompt is told by its tokens, long before.
_BODY_LIMIT = 16 << 20

Id = Annotated[int, Field(ge=0)]
Stop = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Stops = Annotated[list[Stop], Field(max_length=32)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class StreamOptions(_Body):
    """`include_usage` adds a last chunk with the token counts."""

    include_usage: bool = False


class Sampling(_Body):
    """What completions and chat completions have in common."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: Stop | Stops | None = None
    seed: int | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0.01, le=100)] | None = None
    grammar: Annotated[str, Field(max_length=1 << 16)] | None = None

    @property
    def stops(self) -> list[str]:
        """The stop strings."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []


class CompletionBody(Sampling):
    """POST /v1/completions."""

    prompt: str | list[str] | list[Id] | list[list[Id]]
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: Annotated[int, Field(ge=1, le=128)] | None = None


class ResponseFormat(_Body):
    """{"type": "text"}, {"type": "json_object"} or {"type": "json_schema", "json_schema": {"schema": ...}}."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class Function(_Body):
    """What a tool is called and takes."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(_Body):
    """A function that the model may call."""

    type: Literal["function"]
    function: Function


class FunctionName(_Body):
    """The name alone."""

    name: str


class ToolChoice(_Body):
    """The one function that must be called."""

    type: Literal["function"]
    function: FunctionName


class Message(BaseModel):
    """One message; further fields are for the model's chat template."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class ChatBody(Sampling):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    functions: Any = None
    function_call: Any = None
    modalities: list[str] | None = None
    audio: Any = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    web_search_options: Any = None
    store: bool | None = None


class EmbeddingBody(_Body):
    """POST /v1/embeddings."""

    input: str | list[str] | list[Id] | list[list[Id]]
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None


Body = TypeVar("Body", bound=BaseModel)


async def parsed(request: Request, kind: type[Body]) -> Body:
    """The body of `request`; `ApiError` 400 naming the field at fault."""
    body = await read_body(request)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _problem(error) from None


async def read_body(request: Request) -> bytes:
    """The bytes of the body; `ApiError` 413 for one over 16 MiB."""
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > _BODY_LIMIT:
                raise ApiError(413, f"the body is over {_BODY_LIMIT} bytes", code="request_too_large")
            parts.append(part)
    except ClientDisconnect:
        raise ApiError(499, "the client left", code="cancelled") from None
    return b"".join(parts)


def _problem(error: ValidationError) -> ApiError:
    problems = error.errors(include_url=False, include_input=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        return invalid(f"the body is not JSON: {first['msg']}")
    where = [str(part) for part in first["loc"]]
    # of a union only the field itself counts, not the names of its members
    name = "".join([*where[:1], *(f"[{part}]" if part.isdigit() else "" for part in where[1:])]) or "the body"
    if first["type"] == "missing" and len(where) == 1:
        return invalid(f"the field {name} is required", name)
    reasons = dict.fromkeys(p["msg"] for p in problems if p["loc"][:1] == first["loc"][:1])
    return invalid(f"{name}: {', or: '.join(list(reasons)[:4])}", name)
