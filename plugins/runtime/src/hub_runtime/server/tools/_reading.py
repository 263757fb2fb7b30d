"""Calls told from words in what a model writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

from hub_runtime.engine import overlap
from hub_runtime.server.tools._styles import PLACES, Style

# The JSON schema of each tool's parameters, by the tool's name.
Schemas = Mapping[str, Mapping[str, Any]]
Call = tuple[str, dict[str, Any]]

_PATTERNS = {
    "{name}": r"(?P<name>[\w.-]+)", "{key}": r'(?P<key>[^<>"]+)', "{value}": r"(?P<value>.*?)",
    "{string}": r"(?P<string>true|false)", "{id}": r"[\w-]*", "{index}": r"\d+",
}  # fmt: skip


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse, strict=False)  # models leave line feeds in strings as they are


def _pattern(text: str, line_feed: str = r"\s*") -> re.Pattern[str]:
    made = (_PATTERNS.get(part) or (line_feed if part == "\n" else re.escape(part)) for part in PLACES.split(text))
    return re.compile("".join(made), re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Form:
    """A style as patterns."""

    style: Style
    opening: re.Pattern[str]
    head: re.Pattern[str]
    body: str
    tail: re.Pattern[str]
    closing: re.Pattern[str]
    argument: re.Pattern[str] | None
    last: str

    @classmethod
    @cache
    def of(cls, style: Style) -> _Form:
        head, body, tail = style.parts
        argument = _pattern(style.argument.strip(), r"\n?") if style.argument else None
        last = style.closing.strip() or tail.strip()
        before = (_pattern(style.opening), _pattern(f"{head}\n"))
        return cls(style, *before, body, _pattern(f"\n{tail}"), _pattern(style.closing), argument, last)

    def read(self, text: str, schemas: Schemas) -> tuple[list[Call], int] | None:
        """The calls of the block that `text` begins with, and its length; None when it is no whole one (yet)."""
        if self.last not in text:  # a long argument is not read anew with each of its tokens
            return None
        calls: list[Call] = []
        begun = self.opening.match(text)
        place = begun.end() if begun else -1
        while place >= 0:
            new, place = self._call(text, place, schemas)
            calls += new
            if place >= 0 and (end := self.closing.match(text, place)):
                return calls, end.end()
        return None

    def _call(self, text: str, place: int, schemas: Schemas) -> tuple[list[Call], int]:
        """The calls at `place` and the place behind them; -1 where there are none."""
        head = self.head.match(text, place)
        if head is None:
            return [], -1
        if self.argument is None:
            made, place = self._json(text, head)
        else:
            arguments, place = self._arguments(self.argument, text, head.end(), schemas.get(head["name"], {}))
            made = [(head["name"], arguments)]
        tail = self.tail.match(text, place) if place >= 0 else None
        return (made, tail.end()) if tail else ([], -1)

    def _json(self, text: str, head: re.Match[str]) -> tuple[list[Call], int]:
        try:
            found, place = _JSON.raw_decode(text, head.end())
        except (ValueError, RecursionError):
            return [], -1
        if self.body == "arguments":
            return ([(head["name"], found)], place) if isinstance(found, dict) else ([], -1)
        objects = found if self.body == "objects" else [found]
        calls = [self._object(item) for item in objects] if isinstance(objects, list) else []
        whole = [call for call in calls if call is not None]
        return (whole, place) if whole and len(whole) == len(calls) else ([], -1)

    def _object(self, found: object) -> Call | None:
        if not isinstance(found, dict):
            return None
        name, arguments = found.get(self.style.keys[0]), found.get(self.style.keys[1], {})
        return (name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None

    @staticmethod
    def _arguments(
        argument: re.Pattern[str], text: str, place: int, schema: Mapping[str, Any]
    ) -> tuple[dict[str, Any], int]:
        properties = properties_of(schema)
        made = {}
        while (found := argument.match(text, place)) is not None:
            parts = found.groupdict()
            plain = parts["string"] == "true" if "string" in parts else is_text(properties.get(parts["key"]))
            made[parts["key"]] = parts["value"] if plain else _value(parts["value"])
            place = found.end()
            place += len(text[place:]) - len(text[place:].lstrip())
        return made, place


def properties_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schemas of an object's values by key; what is none says nothing."""
    found = schema.get("properties")
    return {k: v if isinstance(v, dict) else {} for k, v in found.items()} if isinstance(found, dict) else {}


def is_text(schema: object) -> bool:
    """True when a JSON schema takes text alone, so that "3" is no number."""
    if not isinstance(schema, dict):
        return False
    choices = schema.get("enum")
    return schema.get("type") == "string" or (isinstance(choices, list) and all(isinstance(c, str) for c in choices))


def _value(text: str) -> Any:
    """The JSON value that `text` is; else the text itself."""
    try:
        return _JSON.decode(text)
    except (ValueError, RecursionError):
        return text


@dataclass
class CallReader:
    """Parts a model's text into words for the user and calls of tools, as it comes.

    `schemas` tell numbers from text where a style writes both the same.
    """

    style: Style
    schemas: Schemas = field(default_factory=dict)
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
                keep = 0 if last else overlap(self._held, self.style.marker)
                words += self._say(len(self._held) - keep)
                break
            words += self._say(start)
            size = self._take()
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
        if not self.style.marker:
            begins = not (self._said or self.calls) and self._held.lstrip().startswith("{")
            return len(self._held) - len(self._held.lstrip()) if begins else None
        found = self._held.find(self.style.marker)
        return None if found < 0 else found

    def _take(self) -> int | None:
        """Read the calls that the held text begins with; their length, None when there are none (yet)."""
        found = _Form.of(self.style).read(self._held, self.schemas)
        if found is None:
            return None
        for name, arguments in found[0]:
            function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
            # templates of Mistral's take identifiers of nine letters and digits alone
            self.calls.append({"id": uuid4().hex[:9], "type": "function", "function": function})
        return found[1]
