"""JSON schemas as GBNF grammars: llama-cpp-python's converter, held to what it keeps, with bounds of numbers added.

The converter passes over keywords that it does not know. An answer could then break the schema that it was promised to
fit, so whatever constrains and cannot be kept is refused here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from hub.errors import UsageError
from hub_runtime.engine._ranges import integers, numbers

# Keywords that constrain values of one type, and nothing else; the grammar keeps to them.
_OF = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "string": {"pattern", "format", "minLength", "maxLength"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "boolean": set[str](),
    "null": set[str](),
}
_PYTHON: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip
# Those that say by themselves what may come; the first of them counts, and nothing beside it.
_WHOLE = ("$ref", "anyOf", "oneOf", "const", "enum", "allOf")
# Those that no grammar of ours keeps to.
_NEVER = {
    "multipleOf", "uniqueItems", "contains", "minContains", "maxContains", "additionalItems", "patternProperties",
    "propertyNames", "minProperties", "maxProperties", "dependencies", "dependentRequired", "dependentSchemas", "not",
    "if", "then", "else",
}  # fmt: skip
_LENGTHS, _COUNTED = {"minLength", "maxLength"}, {"minItems", "maxItems"}
# A character of a JSON text (RFC 8259, section 7); the converter's own lets line breaks through.
_CHARACTER = r"""[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F])"""
_NEGATED = re.compile(r"(?<!\\)\[\^")

Schema = Mapping[str, Any]


def gbnf_of_schema(schema: str) -> str:
    """The GBNF grammar of JSON documents that fit `schema`; `UsageError` when it cannot be kept to."""
    try:
        document = json.loads(schema)
        if not isinstance(document, dict):
            raise UsageError("a JSON schema is an object")
        _refuse_repetition(document)
        converter = _converter()(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
        converter.visit(converter.resolve_refs(document, "stdin"), "")
        return str(converter.format_grammar())
    except UsageError:
        raise
    except Exception as error:  # the converter raises whatever the schema leads it into
        raise UsageError(f"the JSON schema cannot be used: {error}") from error


@cache
def _converter() -> Any:
    """The converter's class."""
    from llama_cpp.llama_grammar import PRIMITIVE_RULES, RESERVED_NAMES, BuiltinRule, SchemaConverter

    base: Any = SchemaConverter  # its methods have no types

    class Converter(base):  # type: ignore[misc]
        def visit(self, schema: Schema, name: str) -> Any:
            schema = _simplified(schema)
            for reason in _unkept(schema):
                raise UsageError(f"the JSON schema cannot be kept to: {reason}")
            own = f"{name}-" if name in RESERVED_NAMES else name or "root"
            if not schema.keys() - _notes(schema):
                return self._add_rule(own, self._add_primitive("value", PRIMITIVE_RULES["value"]))
            bounded = _bounded(schema)
            return super().visit(schema, name) if bounded is None else self._add_rule(own, f"({bounded}) space")

        def _visit_pattern(self, pattern: str, name: str) -> Any:
            return super()._visit_pattern(_NEGATED.sub(r'[^"\\\\\\x7F\\x00-\\x1F', pattern), name)

        def _add_primitive(self, name: str, rule: Any) -> Any:
            return super()._add_primitive(name, BuiltinRule(_CHARACTER) if name == "char" else rule)

        def _add_rule(self, name: str, rule: str) -> Any:
            return super()._add_rule(name, _CHARACTER if name == "dot" else rule)

    return Converter


def _notes(schema: Schema) -> set[str]:
    """The keywords that constrain nothing."""
    known = {"type", *_WHOLE, *_NEVER, *(word for words in _OF.values() for word in words)}
    return schema.keys() - known


def _simplified(schema: Schema) -> Schema:
    """The same schema as the converter has it: of one type, without an `allOf` of one, and what is of other types."""
    if not isinstance(schema, dict):
        raise UsageError(f"the JSON schema cannot be kept to: {schema!r} is no object")
    parts, kind = schema.get("allOf"), schema.get("type")
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict):
        return _simplified({**_without(schema, "allOf", *_notes(schema)), **parts[0]})
    for word in ("anyOf", "oneOf"):
        if kind is not None and isinstance(schema.get(word), list):
            return {word: [{"type": kind, **part} for part in schema[word]], **_without(schema, "type", word)}
    for word in ("const", "enum"):
        if kind is not None and word in schema:
            allowed = schema[word] if word == "enum" else [schema[word]]
            return {"enum": _of_type(allowed, kind), **_without(schema, "type", word)}
    if isinstance(kind, list) and not schema.keys() & set(_WHOLE):
        return {"anyOf": [{**schema, "type": one} for one in kind]}
    if kind in _OF:
        others = {word for words in _OF.values() for word in words} - _OF[kind]
        return {word: value for word, value in schema.items() if word not in others}
    return schema


def _without(schema: Schema, *words: str) -> dict[str, Any]:
    return {word: value for word, value in schema.items() if word not in words}


def _of_type(values: list[Any], kind: str | list[str]) -> list[Any]:
    """Those of `values` that are of the type, or one of the types, `kind`."""
    kinds = [kind] if isinstance(kind, str) else kind
    found = [
        v for v in values if any(isinstance(v, _PYTHON[k]) and isinstance(v, bool) == (k == "boolean") for k in kinds)
    ]
    if not found:
        raise UsageError(f"the JSON schema cannot be kept to: none of {values!r} is of type {kind!r}")
    return found


def _unkept(schema: Schema) -> Iterator[str]:
    """What the converter would pass over."""
    words = schema.keys() - _notes(schema)
    for word in sorted(words & _NEVER):
        if schema[word] not in (None, False):
            yield f"{word} is beyond a grammar"
    whole = [word for word in _WHOLE if word in schema]
    beside = words - _NEVER - {"type"} - set(whole[:1])
    if whole and beside:
        yield f"{', '.join(sorted(beside))} beside {whole[0]}"
    lengths = words & _LENGTHS
    if lengths and "pattern" in words:
        yield f"{min(lengths)} beside pattern"
    missing = sorted(set(schema.get("required", ())) - schema.get("properties", {}).keys())
    if missing and not whole:
        yield f"{missing[0]!r} is required and no property"
    yield from _unkept_items(schema, words)


def _unkept_items(schema: Schema, words: set[str]) -> Iterator[str]:
    first = schema.get("prefixItems", schema.get("items"))
    if "prefixItems" in words and schema.get("items") not in (None, False):
        yield "items beside prefixItems"
    elif isinstance(first, list):
        if any(schema.get(word, len(first)) != len(first) for word in _COUNTED):
            yield f"an array of other than {len(first)} prefixItems"
    elif words & _COUNTED and first is None:
        yield f"{min(words & _COUNTED)} without items"


def _bounded(schema: Schema) -> str | None:
    """The rule of a number with bounds; None for whatever else."""
    kind = schema.get("type")
    if kind not in ("integer", "number") or not schema.keys() & _OF[kind] or schema.keys() & set(_WHOLE):
        return None
    for word in _OF[kind] & schema.keys():
        if isinstance(schema[word], bool) or not isinstance(schema[word], int | float):
            raise UsageError(f"the JSON schema cannot be used: {word} is {schema[word]!r}")
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if kind == "integer":
        lows = [math.ceil(low or 0)] * (low is not None) + [math.floor(above or 0) + 1] * (above is not None)
        highs = [math.floor(high or 0)] * (high is not None) + [math.ceil(below or 0) - 1] * (below is not None)
        return integers(max(lows, default=None), min(highs, default=None))
    if above is not None or below is not None or any(n is not None and n != int(n) for n in (low, high)):
        raise UsageError("the JSON schema cannot be kept to: a number's bounds must be whole, and may be reached")
    return numbers(None if low is None else int(low), None if high is None else int(high))


# A grammar spells repetition out. llama.cpp itself takes no more.
_MOST = 2000
_REPEATED = ("minItems", "maxItems", "minLength", "maxLength")


def _refuse_repetition(schema: object) -> None:
    """`UsageError` where a schema asks for a grammar far larger than itself."""
    todo = [schema]
    while todo:
        part = todo.pop()
        if isinstance(part, list):
            todo += part
        elif isinstance(part, dict):
            todo += part.values()
            counts = [part[key] for key in _REPEATED if isinstance(part.get(key), int | float)]
            pattern = part.get("pattern")
            if isinstance(pattern, str):
                repeats = [int(n[:9]) for n in re.findall(r"\d+", " ".join(re.findall(r"\{([\d,]*)\}", pattern)))]
                counts += [math.prod(max(n, 1) for n in repeats), len(pattern)]
            if any(count > _MOST for count in counts):
                raise UsageError(f"the JSON schema repeats something over {_MOST} times")
