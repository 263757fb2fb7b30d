"""Which style a chat template teaches: a call that it renders is read again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from os.path import commonprefix
from typing import Any

from hub.errors import UsageError
from hub_runtime.engine import ChatTemplate
from hub_runtime.server.tools._reading import Call, CallReader
from hub_runtime.server.tools._styles import STYLES, Style

_ASKED = "What comes now is a call."
_SCHEMA = {
    "type": "object",
    "properties": {"town": {"type": "string", "description": "Where"}, "days": {"type": "integer", "description": "n"}},
    "required": ["town"],
}
_CALLS: tuple[Call, ...] = (("weather_at", {"town": "Oslo", "days": 3}), ("sights_of", {"town": "Rome"}))
_SCHEMAS = {name: _SCHEMA for name, _ in _CALLS}
_TOOLS = [
    {"type": "function", "function": {"name": name, "description": "It", "parameters": _SCHEMA}} for name, _ in _CALLS
]


@dataclass(frozen=True, slots=True)
class Taught:
    """The `style` of calls, None when it is unknown; `as_text`: the template takes arguments as the text of JSON."""

    style: Style | None
    as_text: bool = False


@lru_cache(maxsize=64)
def taught(template: ChatTemplate) -> Taught:
    """What `template` teaches: the style in which it writes calls, or where it writes none, says that they be."""
    writes = False
    for as_text in (False, True):
        for count in (len(_CALLS), 1):  # some templates take no more than one call
            calls = _CALLS[:count]
            texts = _rendered(template, calls, as_text=as_text)
            style = _found(texts, calls) if texts else None
            if style is not None:
                return Taught(style, as_text)
            writes = writes or (texts is not None and calls[0][0] in texts[0])
    return Taught(None if writes else _told(template))


def _rendered(template: ChatTemplate, calls: Sequence[Call], *, as_text: bool) -> tuple[str, str] | None:
    """The template's text behind the user's message of an answer with `calls`, and behind where it lets one begin."""
    user = {"role": "user", "content": _ASKED}
    answer = {"role": "assistant", "content": "", "tool_calls": [_call(*call, as_text=as_text) for call in calls]}
    try:
        shown = template.render([user, answer], tools=_TOOLS, add_generation_prompt=False)
        prompt = template.render([user], tools=_TOOLS)
    except UsageError:
        return None
    return shown.rpartition(_ASKED)[2], shown[len(commonprefix([shown, prompt])) :]  # noqa: RUF071  # of texts


def _found(texts: tuple[str, str], calls: Sequence[Call]) -> Style | None:
    """The style whose reader finds `calls`; one without a mark where the answer begins."""
    for style in STYLES.values():
        reader = CallReader(style, _SCHEMAS)
        reader.feed(texts[0] if style.marker else texts[1], last=True)
        functions = [call["function"] for call in reader.calls]
        if [(f["name"], json.loads(f["arguments"])) for f in functions] == list(calls):
            return style
    return None


def _call(name: str, arguments: dict[str, Any], *, as_text: bool) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments) if as_text else arguments}
    return {"id": f"{name[:4]}00000", "type": "function", "function": function}


def _told(template: ChatTemplate) -> Style | None:
    """The style whose marks stand in the prompt when there are tools, and only then; of JSON objects alone."""
    user = [{"role": "user", "content": _ASKED}]
    try:
        told, without = template.render(user, tools=_TOOLS), template.render(user)
    except UsageError:
        return None
    for style in STYLES.values():
        marks = [mark for mark in (style.marker, style.closing.strip()) if mark]
        objects = style.parts[1].startswith("object")
        if objects and len(marks) == 2 and all(mark in told and mark not in without for mark in marks):
            return style
    return None
