from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_apr.container import parse_json
from hub_apr.container._json import depth

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=30,
)  # fmt: skip


@given(VALUES)
def test_whatever_json_can_say_is_read(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e400",
        '"\\ud800"',
        '["\\ud800x"]',
        "\ufeff{}",
        "{}\0",
        "01",
        "'a'",
        "",
        "{} {}",
    ],
)
def test_what_a_strict_parser_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_json(text.encode())


def test_integers_outside_64_bits_become_floats() -> None:
    assert parse_json(b"[18446744073709551615, -9223372036854775808]") == [2**64 - 1, -(2**63)]
    over = parse_json(b"[18446744073709551616, -9223372036854775809]")
    assert [type(x) for x in over] == [float, float]
    assert type(parse_json(b"1" * 300)) is float
    with pytest.raises(ValueError, match="out of range"):
        parse_json(b"1" * 5000)


def test_brackets_in_strings_do_not_nest() -> None:
    quoted = json.dumps(["[" * 500, '"[{' * 100, '\\"[' * 100, "\\" * 7 + "["]).encode()
    assert depth(quoted) == 1
    assert parse_json(quoted)


@pytest.mark.parametrize("levels", [126, 127, 128, 100_000])
def test_depth(levels: int) -> None:
    text = b"[" * levels + b"]" * levels
    if levels <= 127:
        assert depth(text) in {0, levels}
        parse_json(text)
    else:
        with pytest.raises(ValueError, match="nested"):
            parse_json(text)


@given(st.text(alphabet='[]{}"\\a', max_size=400))
def test_depth_is_never_less_than_what_the_parser_enters(text: str) -> None:
    raw = b"[" * 200 + json.dumps(text).encode() + b"]" * 200
    assert depth(raw) == 200
