"""Bytes to text, held back where they may change their meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_runtime.engine import TextStream


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted(cut % (len(data) + 1) for cut in cuts)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


def streamed(data: list[bytes], stops: list[str]) -> tuple[list[str], TextStream]:
    stream = TextStream(stops)
    return [*(stream.feed(piece) for piece in data), stream.flush()], stream


@given(st.text(), st.lists(st.integers(0, 1000), max_size=6))
def test_text_comes_through_however_its_bytes_are_cut(text: str, cuts: list[int]) -> None:
    data = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    out, _ = streamed(pieces(data.encode(), cuts), [])
    assert "".join(out) == data


@given(st.binary(), st.lists(st.integers(0, 1000), max_size=6))
def test_invalid_bytes_become_replacement_characters(data: bytes, cuts: list[int]) -> None:
    out, _ = streamed(pieces(data, cuts), [])
    assert "".join(out) == data.decode("utf-8", "replace")


@given(
    st.text("abä", max_size=12),
    st.lists(st.text("abä", min_size=1, max_size=3), max_size=3),
    st.lists(st.integers(0, 99)),
)
def test_everything_before_the_first_stop_string_comes_out(text: str, stops: list[str], cuts: list[int]) -> None:
    out, stream = streamed(pieces(text.encode(), cuts), stops)
    ended = "".join(out)
    if stream.stopped is None:
        assert ended == text
        assert not any(stop in text for stop in stops)
    else:
        assert stream.stopped in stops
        assert text.startswith(ended + stream.stopped)
        assert not any(stop in ended for stop in stops)


def test_a_character_in_two_pieces_comes_whole_with_the_second() -> None:
    euro = "€".encode()
    assert streamed([euro[:1], euro[1:]], [])[0] == ["", "€", ""]


def test_the_beginning_of_a_stop_string_is_held_back_until_it_is_none() -> None:
    assert streamed([b"a\nus", b"ual"], ["\nuser"])[0] == ["a", "\nusual", ""]
    assert streamed([b"a\nus"], ["\nuser"])[0] == ["a", "\nus"]


@pytest.mark.parametrize("stops", [["ab", "b"], ["b", "ab"]])
def test_the_stop_that_begins_first_wins(stops: list[str]) -> None:
    out, stream = streamed([b"xaby"], stops)
    assert ("".join(out), stream.stopped) == ("x", "ab")
