from __future__ import annotations

import pytest

from hub.errors import DamagedFile, NotVerified, UnsupportedFile, as_damage


def test_a_message_says_what_where_and_what_next() -> None:
    error = DamagedFile("ends here", file="m.gguf", offset=7, tensor="a b", plugin="gguf", hint="fetch it again")
    assert str(error) == "m.gguf, byte 7, tensor 'a b': ends here; fetch it again [gguf]"
    assert (error.exit_code, NotVerified("differs").exit_code) == (2, 1)


def test_a_message_is_one_line_whatever_a_file_holds() -> None:
    error = DamagedFile("a name of\n" + "x" * 60_000 + " bytes, 9 were expected", tensor="t" * 60_000)
    assert len(str(error)) < 1000
    assert "\n" not in str(error)
    assert str(error).endswith("bytes, 9 were expected")


def test_what_a_library_raises_about_bytes_is_damage() -> None:
    with pytest.raises(DamagedFile, match=r"x\.bin: cannot be read: ValueError\('odd'\)"), as_damage("x.bin"):
        raise ValueError("odd")


@pytest.mark.parametrize("error", [UnsupportedFile("other"), MemoryError(), KeyboardInterrupt()])
def test_what_is_no_damage_stays(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, as_damage("x.bin"):
        raise error
    assert caught.value is error
