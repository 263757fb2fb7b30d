"""Prompts as token ids: from texts, from token ids, from conversations through the model's chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hub.errors import UsageError
from hub_runtime.engine import LoadedModel
from hub_runtime.server._errors import invalid
from hub_runtime.server._requests import ChatBody, Id, Message
from hub_runtime.server.tools import taught

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


def token_lists(given: str | list[str] | list[Id] | list[list[Id]], model: LoadedModel, param: str) -> list[list[int]]:
    """The prompts that OpenAI's four ways to write them mean."""
    if not given and given != "":
        raise invalid(f"{param} is empty", param)
    several = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    made = [_tokens(item, model, param) for item in several]
    if not all(made):
        raise invalid(f"{param} is empty, and the model has no token to begin with", param)
    return made


def _tokens(given: str | list[int], model: LoadedModel, param: str) -> list[int]:
    if isinstance(given, str):
        return model.vocab.tokenize(given)
    bad = next((token for token in given if token >= model.vocab.size), None)
    if bad is not None:
        raise invalid(f"token {bad} is not in the vocabulary of {model.vocab.size}", param)
    return list(given)


def infilling(prompts: list[list[int]], suffix: str, name: str, model: LoadedModel) -> list[list[int]]:
    """The prompts for what comes between each of `prompts` and `suffix`; refused without tokens for that."""
    behind = model.vocab.tokenize(suffix, add_special=False)
    made = [model.vocab.around(prompt, behind) for prompt in prompts]
    found = [prompt for prompt in made if prompt is not None]
    if len(found) < len(made):
        raise invalid(f"the model {name} has no tokens to fill in the middle with: it takes no suffix", "suffix")
    return found


def chat_tokens(body: ChatBody, name: str, model: LoadedModel, *, tools: bool) -> list[int]:
    """The prompt of a conversation, up to where the assistant speaks; `tools` shows the tools to the model."""
    if model.template is None:
        raise invalid(f"the model {name} has no chat template; use /v1/completions", "model")
    shown = [tool.model_dump(exclude_none=True) for tool in body.tools or ()] if tools else None
    values = _values(body.chat_template_kwargs)
    as_text = any(m.tool_calls for m in body.messages) and taught(model.template).as_text
    messages = [_message(m, as_text=as_text) for m in body.messages]
    try:
        text = model.template.render(messages, tools=shown, **values)
    except UsageError as error:
        raise invalid(str(error), "messages") from None
    return model.vocab.tokenize(text, add_special=False)


# What the server itself says to the template.
_OURS = {"messages", "tools", "add_generation_prompt"}


def _values(given: dict[str, Any] | None) -> dict[str, Any]:
    clash = sorted(_OURS & (given or {}).keys())
    if clash:
        raise invalid(f"chat_template_kwargs cannot set {clash[0]}", "chat_template_kwargs")
    return given or {}


def _message(message: Message, *, as_text: bool) -> dict[str, Any]:
    if message.role not in _ROLES:
        raise invalid(f"there is no role {message.role[:40]!r}; roles are {', '.join(_ROLES)}", "messages")
    made = {**message.model_dump(exclude_none=True), "role": _ROLES[message.role], "content": _content(message.content)}
    if message.tool_calls:
        made["tool_calls"] = [_call(call, as_text=as_text) for call in message.tool_calls]
    return made


def _content(content: str | Sequence[dict[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise invalid(f"content of type {str(part.get('type'))[:40]!r} is not supported: text alone", "messages")
    return "".join(part["text"] for part in content)


def _call(call: dict[str, Any], *, as_text: bool) -> dict[str, Any]:
    """A call of an earlier turn, its arguments as an object, which most templates write as JSON, or as that text."""
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise invalid("a tool call needs a function with a name", "messages")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            raise invalid("the arguments of a tool call are not JSON", "messages") from None
    arguments = {} if arguments is None else arguments
    given = json.dumps(arguments, ensure_ascii=False) if as_text else arguments
    return {**call, "function": {**function, "arguments": given}}
