"""The grammar that makes a model call a tool in its own style."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hub_runtime.engine import gbnf_of_schema
from hub_runtime.server.tools._reading import Schemas, is_text, properties_of
from hub_runtime.server.tools._styles import PLACES, Style

# Strings and classes of characters, which are left alone, and names of rules.
_NAMES = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|[A-Za-z][A-Za-z0-9-]*')
# Text between marks: what could begin the closing mark is not part of it.
_TEXT = 'text ::= ( [^<] | "<" [^/<] )*'
_RULES = {"{id}": "[a-zA-Z0-9]{9}", "{index}": "[0-9]+", "{value}": "text"}
_ANY = {"type": "object"}


def grammar_of(style: Style, schemas: Schemas) -> str:
    """GBNF of one call of one of the tools whose parameters have `schemas`. `UsageError` for one that is no schema."""
    rules = [_TEXT]
    calls = [_Tool(style, f"t{number}", name, rules).rule(schemas[name]) for number, name in enumerate(schemas)]
    return "\n".join([f"root ::= {' | '.join(calls)}", *rules])


class _Tool:
    """Writes the rules of one tool, their names beginning with `prefix`, into `rules`."""

    def __init__(self, style: Style, prefix: str, name: str, rules: list[str]) -> None:
        self.style, self.prefix, self.name, self.rules = style, prefix, name, rules

    def rule(self, schema: Mapping[str, Any]) -> str:
        """The sequence for a whole block of one call."""
        style = self.style
        head, body, tail = style.parts
        if body == "arguments":
            middle = self._arguments(schema) if style.argument else self._json(schema or _ANY, "a")
        else:
            name, arguments = style.keys
            properties = {name: {"const": self.name}, arguments: schema or _ANY}
            call = {"type": "object", "properties": properties, "required": [name, arguments]}
            middle = self._json({**_definitions(schema), **call}, "o")
            middle = f'"[" {middle} "]"' if body == "objects" else middle
        return _joined(self._literal(style.opening + head), middle, self._literal(tail + style.closing))

    def _literal(self, text: str, key: str = "", *, plain: bool = True, value: str = "") -> str:
        """What `text` means, its places filled."""
        words = {"{name}": self.name, "{key}": key, "{string}": "true" if plain else "false"}
        made, run = [], ""
        for part in PLACES.split(text):
            rule = value or _RULES[part] if part == "{value}" else _RULES.get(part)
            if rule is None:
                run += words.get(part, part)
                continue
            made += [json.dumps(run, ensure_ascii=False)] if run else []
            made, run = [*made, rule], ""
        return " ".join([*made, json.dumps(run, ensure_ascii=False)] if run else made)

    def _arguments(self, schema: Mapping[str, Any]) -> str:
        """Each argument in the schema's order; those that are not required may be missing."""
        required = list(schema.get("required") or ())
        made = []
        for number, (key, kind) in enumerate(properties_of(schema).items()):
            plain = is_text(kind)
            value = self._text(kind) if plain else self._json({**_definitions(schema), **kind}, f"p{number}")
            one = self._literal(self.style.argument, key, plain=plain, value=value)
            made.append(one if key in required else f"( {one} )?")
        return _joined(*made)

    @staticmethod
    def _text(kind: Mapping[str, Any]) -> str:
        choices: Sequence[str] | None = kind.get("enum")
        return f"( {' | '.join(json.dumps(c, ensure_ascii=False) for c in choices)} )" if choices else "text"

    def _json(self, schema: Mapping[str, Any], part: str) -> str:
        """The name of the rule for JSON documents that fit `schema`."""
        prefix = f"{self.prefix}-{part}-"

        def renamed(found: re.Match[str]) -> str:
            return found[0] if found[0][0] in '"[' else prefix + found[0]

        self.rules += [_NAMES.sub(renamed, line) for line in gbnf_of_schema(json.dumps(schema)).splitlines()]
        return f"{prefix}root"


def _definitions(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in ("$defs", "definitions") if key in schema}


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
