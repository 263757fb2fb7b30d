"""From the fields of a request to the engine's settings; what cannot be honoured is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hub_runtime.engine import Settings, gbnf_of_schema
from hub_runtime.server._engine import Engine
from hub_runtime.server._errors import invalid
from hub_runtime.server._requests import ChatBody, CompletionBody, ResponseFormat, Sampling

# A schema larger than this makes a grammar that holds up everybody else.
SCHEMA_LIMIT = 1 << 16


def settings_of(body: Sampling, engine: Engine, top_logprobs: int | None, **constraint: Any) -> Settings:
    """The sampling that `body` asks for, with OpenAI's defaults: temperature 1 over the whole distribution."""
    if body.stream_options is not None and not body.stream:
        raise invalid("stream_options needs stream", "stream_options")
    if body.grammar is not None and constraint:
        raise invalid("grammar cannot be combined with response_format or a tool that must be called", "grammar")
    return Settings(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_k=body.top_k or 0,
        top_p=1.0 if body.top_p is None else body.top_p,
        min_p=body.min_p or 0.0,
        seed=None if body.seed is None else body.seed % 2**32,
        repeat_penalty=body.repeat_penalty or 1.0,
        repeat_last_n=engine.ctx,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        logit_bias=_bias(body.logit_bias or {}, engine.model.vocab.size),
        top_logprobs=top_logprobs,
        **({"grammar": body.grammar} if body.grammar is not None else constraint),
    )


def _bias(given: dict[str, float], vocabulary: int) -> dict[int, float]:
    for token in given:
        if not (token.isascii() and token.isdigit() and int(token[:12]) < vocabulary):
            raise invalid(f"token {token[:20]!r} is not in the vocabulary of {vocabulary}", "logit_bias")
    return {int(token): bias for token, bias in given.items()}


def constraint_of(wanted: ResponseFormat | None) -> dict[str, str]:
    """The engine's setting for `response_format`; refused when the schema is none or too large."""
    if wanted is None or wanted.type == "text":
        return {}
    if wanted.type == "json_object":
        return {"grammar": gbnf_of_schema('{"type": "object"}')}
    schema = (wanted.json_schema or {}).get("schema")
    if not isinstance(schema, dict):
        raise invalid("json_schema needs the object schema", "response_format")
    return {"grammar": grammar_of_schema(schema, "response_format")}


def grammar_of_schema(schema: dict[str, Any], param: str) -> str:
    """The GBNF of a JSON schema that a client sent; refused when it is too large."""
    text = json.dumps(schema)
    if len(text) > SCHEMA_LIMIT:
        raise invalid(f"the schema is over {SCHEMA_LIMIT} bytes", param)
    return gbnf_of_schema(text)


def refuse_completion_fields(body: CompletionBody) -> None:
    """Refuse what completions cannot have here."""
    if body.suffix and body.echo:
        raise invalid("suffix cannot be combined with echo", "suffix")
    if body.best_of is not None and body.best_of < (body.n or 1):
        raise invalid("best_of must be at least n", "best_of")
    if body.best_of is not None and body.best_of > (body.n or 1) and (body.stream or body.max_tokens == 0):
        raise invalid("best_of comes neither in a stream nor with max_tokens 0", "best_of")
    if body.echo and body.logprobs is not None and (body.stream or body.max_tokens == 0):
        raise invalid("logprobs of the prompt come neither in a stream nor with max_tokens 0", "logprobs")
    if body.max_tokens == 0 and not body.echo:
        raise invalid("max_tokens 0 needs echo", "max_tokens")


# Field of a chat request -> values that ask for nothing special.
_INERT: dict[str, tuple[Any, ...]] = {
    "functions": (None, []),
    "function_call": (None, "none"),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "reasoning_effort": (None,),
    "verbosity": (None,),
    "web_search_options": (None,),
    "store": (None, False),
}


def refuse_chat_fields(body: ChatBody) -> None:
    """Refuse what chat completions cannot have here."""
    for name, inert in _INERT.items():
        if getattr(body, name) not in inert:
            raise invalid(f"{name} is not supported", name)
    if body.top_logprobs is not None and not body.logprobs:
        raise invalid("top_logprobs needs logprobs", "top_logprobs")
    if body.max_tokens is not None and body.max_completion_tokens not in (None, body.max_tokens):
        raise invalid("max_tokens and max_completion_tokens contradict each other", "max_completion_tokens")


def seeds(settings: Settings, count: int) -> Iterable[int | None]:
    """The seeds of `count` choices: different ones, which repeat when the request does."""
    if settings.seed is None:
        return [None] * count
    return [(settings.seed + i) % 2**32 for i in range(count)]
