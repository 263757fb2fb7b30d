"""JSON schemas as grammars: answers fit them, and what cannot be kept to is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import UsageError
from hub_runtime.engine import LoadedModel, Request, Settings, Slots, gbnf_of_schema, generate
from hub_runtime.engine._ranges import integers, numbers

BOUNDS = st.none() | st.integers(-1200, 1200)


@pytest.fixture(scope="module")
def slots(model: LoadedModel) -> Iterator[Slots]:
    with model.context(512, threads=1) as context:
        yield Slots(context)


def wild(schema: str, seed: int) -> Settings:
    """Settings that draw whatever ASCII the schema allows."""
    ascii_alone = dict.fromkeys((*range(128, 256), 261), -100.0)  # of the tiny model: the first tokens are bytes
    return Settings(2.0, 0, 1.0, 0.0, seed, json_schema=schema, logit_bias=ascii_alone)


def matched(rule: str, text: str) -> bool:
    """Whether a rule of the kind that ranges are made of matches, by Python's regular expressions."""
    return re.fullmatch(rule.replace('"."', r"\.").replace('"', "").replace(" ", ""), text) is not None


@given(BOUNDS, BOUNDS, st.integers(-2500, 2500))
def test_a_range_of_integers_is_what_lies_in_it(low: int | None, high: int | None, number: int) -> None:
    if low is not None and high is not None and low > high:
        low, high = high, low
    rule = integers(low, high)
    assert matched(rule, str(number)) == ((low is None or low <= number) and (high is None or number <= high))
    assert not matched(rule, f"0{abs(number)}")


@given(BOUNDS, BOUNDS, st.decimals(-2500, 2500, places=2))
def test_a_range_of_numbers_is_what_lies_in_it(low: int | None, high: int | None, number: Decimal) -> None:
    if low is not None and high is not None and low > high:
        low, high = high, low
    inside = (low is None or low <= number) and (high is None or number <= high)
    assert matched(numbers(low, high), f"{number:f}") == inside


FIT: list[dict[str, Any]] = [
    {"type": "integer", "minimum": 17, "maximum": 2041},
    {"type": "integer", "exclusiveMinimum": -3, "exclusiveMaximum": 2},
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 3},
    {"type": ["string", "null"], "maxLength": 4},
    {"type": "string", "pattern": "^a.b[^c]{2}$"},
    {"type": "object", "properties": {"a": {"type": ["integer", "boolean"], "maximum": 5}}, "required": ["a"]},
    {"allOf": [{"$ref": "#/$defs/colour"}], "$defs": {"colour": {"enum": ["red", "blue"]}}, "title": "Colour"},
    {"type": ["string", "null"], "enum": ["red", None]},
    {"type": "integer", "enum": [7, "seven", True]},
    {"type": "string", "anyOf": [{"maxLength": 2}, {"pattern": "^a$"}]},
    {"type": "array", "prefixItems": [{"type": "boolean"}, {"const": 3}], "minItems": 2, "maxItems": 2},
    {"type": "object", "properties": {"number": {"type": "integer", "minimum": 3, "maximum": 4}},
     "required": ["number"], "additionalProperties": False, "description": "uniqueItems"},
]  # fmt: skip


@pytest.mark.parametrize("schema", FIT, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_drawn_fits(slots: Slots, schema: dict[str, Any], seed: int) -> None:
    settings = wild(json.dumps(schema), seed)
    prompt = slots.context.model.vocab.tokenize("JSON: ")
    text = "".join(token.text for token in generate(slots, Request(prompt, settings, 400)))
    jsonschema.validate(json.loads(text), schema)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "multipleOf": 3}, "multipleOf is beyond a grammar"),
        ({"type": "array", "items": {}, "uniqueItems": True}, "uniqueItems"),
        ({"type": "string", "pattern": "^a*$", "maxLength": 3}, "maxLength beside pattern"),
        ({"type": "object", "required": ["a"]}, "'a' is required and no property"),
        ({"type": "object", "properties": {}, "anyOf": [{"type": "object"}]}, "properties beside anyOf"),
        ({"properties": {"a": {"type": "array", "minItems": 2}}}, "minItems without items"),
        ({"type": "array", "prefixItems": [{"type": "null"}], "minItems": 3}, "other than 1 prefixItems"),
        ({"type": "number", "maximum": 0.5}, "bounds must be whole"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "no integer is from 5 to 4"),
        ({"type": "string", "enum": [3]}, "none of [3] is of type 'string'"),
        ({"type": "integer", "minimum": "5"}, "minimum is '5'"),
        ({"properties": {"a": True}}, "True is no object"),
    ],
)
def test_what_cannot_be_kept_to_is_refused(llama: Any, schema: dict[str, Any], said: str) -> None:  # noqa: ARG001
    with pytest.raises(UsageError, match=re.escape(said)):
        gbnf_of_schema(json.dumps(schema))


@pytest.mark.parametrize("seed", range(6))
def test_any_object_is_json(slots: Slots, seed: int) -> None:
    settings = wild('{"type": "object"}', seed)
    prompt = slots.context.model.vocab.tokenize("JSON: ")
    generation = slots.add(Request(prompt, settings, 400))
    while generation.finish is None:
        slots.step()
    if generation.finish == "stop":
        assert isinstance(json.loads(generation.text), dict)
    else:
        assert not re.search(r"[\x00-\x1f]", generation.text)
