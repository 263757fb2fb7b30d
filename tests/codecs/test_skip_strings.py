from __future__ import annotations

import struct

import pytest

from hub.codecs.native import compiled, skip_strings

WORDS = [b"", b"a", b"word", bytes(300), b"\xff\xfe"]


@pytest.fixture(autouse=True)
def built() -> None:
    if compiled() is None:
        pytest.skip("the kernels are not built: run hub/codecs/native/_build.py where a C++ compiler is")


def packed(order: str) -> bytes:
    return b"".join(struct.pack(f"{order}Q", len(word)) + word for word in WORDS)


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("before", [0, 3])
def test_strings_are_stepped_over_in_either_byte_order(little: bool, before: int) -> None:
    data = bytes(before) + packed("<" if little else ">") + b"more"
    assert skip_strings(data, before, len(WORDS), 1 << 20, little) == (len(WORDS), len(data) - 4)
    assert skip_strings(data, before, 2, 1 << 20, little) == (2, before + 17)
    assert skip_strings(data, before, 0, 1 << 20, little) == (0, before)


@pytest.mark.parametrize("cut", range(1, 48))
def test_a_string_that_ends_behind_the_data_is_left(cut: int) -> None:
    data = packed("<")[:-cut]
    done, at = skip_strings(data, 0, len(WORDS), 1 << 20, True)
    assert done == (4 if cut <= 10 else 3)
    assert at == sum(8 + len(word) for word in WORDS[:done])


@pytest.mark.parametrize("length", [301, 1 << 31, 1 << 63, (1 << 64) - 1])
def test_a_string_that_is_too_long_is_left(length: int) -> None:
    data = packed("<") + struct.pack("<Q", length) + bytes(400)
    assert skip_strings(data, 0, 100, 300, True) == (len(WORDS), len(packed("<")))
