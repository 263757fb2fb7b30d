"""Tool calls: what the model writes when it calls a function, as its chat template taught it.

Two ways are understood: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` (Hermes, Qwen, SmolLM and many
others) and one bare JSON object with "name" and "parameters" (Llama 3.1 and later).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from hub_runtime.engine import LoadedModel
from hub_runtime.server._errors import invalid
from hub_runtime.server._requests import ChatBody, Tool, ToolChoice
from hub_runtime.server._settings import grammar_of_schema


@dataclass(frozen=True, slots=True)
class Style:
    """How calls look: `opening` and `closing` around the JSON, the `key` of the arguments."""

    opening: str
    closing: str
    key: Literal["arguments", "parameters"]


HERMES = Style("<tool_call>", "</tool_call>", "arguments")
LLAMA = Style("{", "", "parameters")


def style_of(model: LoadedModel) -> Style | None:
    """How the model's template says that calls look; None when it knows no tools, or in a way unknown here."""
    template = model.template
    if template is None or not template.takes_tools:
        return None
    source = template.source + template.named.get("tool_use", "")
    if HERMES.opening in source and _visible(HERMES.opening, model):
        return HERMES
    return LLAMA if '"parameters"' in source and '"name"' in source else None


def _visible(marker: str, model: LoadedModel) -> bool:
    """True when the marker's tokens have text: a control token would vanish from the answer."""
    return all(model.vocab.piece(token) for token in model.vocab.tokenize(marker, add_special=False))


def style_for(body: ChatBody, model: LoadedModel) -> Style | None:
    """The style in which this request's answer may call tools; None when it may not. Refuses what cannot be."""
    if not body.tools:
        if body.tool_choice not in (None, "none"):
            raise invalid("tool_choice needs tools", "tool_choice")
        return None
    if body.tool_choice == "none":
        return None
    style = style_of(model)
    if style is None:
        raise invalid("the model's chat template has no tools, or in a way that is not supported", "tools")
    if body.response_format is not None and body.response_format.type != "text":
        raise invalid("response_format cannot be combined with tools", "response_format")
    return style


def forced(body: ChatBody, style: Style | None) -> dict[str, str]:
    """The engine's setting that makes the model call a tool, when `tool_choice` says it must."""
    if style is None or body.tool_choice in (None, "auto"):
        return {}
    tools = _chosen(body.tools or [], body.tool_choice)
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": t.function.name}, style.key: t.function.parameters or {"type": "object"}},
            "required": ["name", style.key],
        }
        for t in tools
    ]
    grammar = grammar_of_schema(calls[0] if len(calls) == 1 else {"anyOf": calls}, "tools")
    if style is LLAMA:
        return {"grammar": grammar}
    lines = ["call" + line[4:] if line.startswith("root ::=") else line for line in grammar.splitlines()]
    root = f'root ::= "{style.opening}\\n" call "\\n{style.closing}"'
    return {"grammar": "\n".join([root, *lines])}


def _chosen(tools: Sequence[Tool], choice: object) -> Sequence[Tool]:
    if not isinstance(choice, ToolChoice):
        return tools
    found = [tool for tool in tools if tool.function.name == choice.function.name]
    if not found:
        raise invalid(f"tool_choice names {choice.function.name!r}, which is not among the tools", "tool_choice")
    return found


@dataclass
class CallReader:
    """Parts a model's text into words for the user and calls of tools, as it comes."""

    style: Style
    calls: list[dict[str, Any]] = field(default_factory=list)
    _held: str = ""
    _said: bool = False
    _fresh: bool = False  # nothing but white space since the last call

    def feed(self, text: str, *, last: bool = False) -> tuple[str, list[dict[str, Any]]]:
        """The words and the calls that became certain with `text`; `last`: no more text will come."""
        self._held += text
        words, before = "", len(self.calls)
        while self._trim():
            start = self._start()
            if start is None:
                keep = 0 if last else _overlap(self._held, self.style.opening)
                words += self._say(len(self._held) - keep)
                break
            words += self._say(start)
            size = self._call()
            if size is None:  # not a whole call yet, or never one: then it is words after all
                words += self._say(len(self._held)) if last else ""
                break
            self._held, self._fresh = self._held[size:], True
        return words, self.calls[before:]

    def _say(self, count: int) -> str:
        said, self._held = self._held[:count], self._held[count:]
        self._said = self._said or bool(said.strip())
        self._fresh = self._fresh and not said
        return said

    def _trim(self) -> str:
        """The held text, without the white space behind a call."""
        self._held = self._held.lstrip() if self._fresh else self._held
        return self._held

    def _start(self) -> int | None:
        if not self.style.closing:  # a bare object is a call only where the answer begins
            begins = not self._said and self._held.lstrip().startswith(self.style.opening)
            return len(self._held) - len(self._held.lstrip()) if begins else None
        found = self._held.find(self.style.opening)
        return None if found < 0 else found

    def _call(self) -> int | None:
        """Read the call that the held text begins with; its length, None when there is none (yet)."""
        text, style = self._held, self.style
        begin = len(style.opening) if style.closing else 0
        end = text.find(style.closing) if style.closing else len(text)
        if end < 0:
            return None
        try:
            found = json.loads(text[begin:end])
        except (ValueError, RecursionError):
            return None
        arguments = found.get(style.key, {}) if isinstance(found, dict) else None
        if not isinstance(arguments, dict) or not isinstance(found.get("name"), str):
            return None
        function = {"name": found["name"], "arguments": json.dumps(arguments, ensure_ascii=False)}
        self.calls.append({"id": f"call_{uuid4().hex[:24]}", "type": "function", "function": function})
        return end + len(style.closing)


def _overlap(text: str, marker: str) -> int:
    """The length of the longest end of `text` that begins `marker`."""
    longest = min(len(text), len(marker) - 1)
    return next((n for n in range(longest, 0, -1) if marker.startswith(text[-n:])), 0)
