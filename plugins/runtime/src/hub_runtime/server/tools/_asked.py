"""What a request says about tools, held against what the model's template can do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub_runtime.engine import LoadedModel, Vocab
from hub_runtime.server._errors import invalid
from hub_runtime.server._requests import ChatBody, Tool, ToolChoice
from hub_runtime.server._settings import SCHEMA_LIMIT
from hub_runtime.server.tools._grammar import grammar_of
from hub_runtime.server.tools._styles import STYLES, Style
from hub_runtime.server.tools._taught import taught


@dataclass(frozen=True, slots=True)
class Use:
    """How the answer to one request may call tools.

    `schemas` of their parameters by name, and the control tokens that are `shown`, as the style is made of them.
    """

    style: Style
    schemas: Mapping[str, Mapping[str, Any]]
    shown: frozenset[int]


def use_of(body: ChatBody, model: LoadedModel) -> Use | None:
    """How this request's answer may call tools; None when it may not. Refuses what cannot be."""
    if not body.tools:
        if body.tool_choice not in (None, "none"):
            raise invalid("tool_choice needs tools", "tool_choice")
        return None
    if body.tool_choice == "none":
        return None
    template = model.template
    if template is None or not template.takes_tools:
        raise invalid("the model's chat template has no tools", "tools")
    style = taught(template).style
    if style is None:
        raise invalid(f"the model's chat template has calls in none of the {len(STYLES)} ways known here", "tools")
    if body.response_format is not None and body.response_format.type != "text":
        raise invalid("response_format cannot be combined with tools", "response_format")
    schemas = {tool.function.name: tool.function.parameters or {} for tool in body.tools}
    return Use(style, schemas, _hidden(style, model.vocab))


def _hidden(style: Style, vocab: Vocab) -> frozenset[int]:
    """The tokens of the style's words that have no text of their own."""
    found = {token for text in style.literals for token in vocab.tokenize(text, add_special=False)}
    return frozenset(token for token in found if not vocab.piece(token))


def forced(body: ChatBody, use: Use | None) -> dict[str, str]:
    """The engine's setting that makes the model call a tool, when `tool_choice` says it must."""
    if use is None or body.tool_choice in (None, "auto"):
        return {}
    tools = _chosen(body.tools or [], body.tool_choice)
    schemas = {tool.function.name: use.schemas[tool.function.name] for tool in tools}
    if len(json.dumps(schemas)) > SCHEMA_LIMIT:
        raise invalid(f"the schemas of the tools are over {SCHEMA_LIMIT} bytes", "tools")
    return {"grammar": grammar_of(use.style, schemas)}


def _chosen(tools: Sequence[Tool], choice: object) -> Sequence[Tool]:
    if not isinstance(choice, ToolChoice):
        return tools
    found = [tool for tool in tools if tool.function.name == choice.function.name]
    if not found:
        raise invalid(f"tool_choice names {choice.function.name!r}, which is not among the tools", "tool_choice")
    return found
