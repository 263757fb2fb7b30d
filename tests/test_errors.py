from __future__ import annotations

from hub.errors import DamagedFile, NotVerified


def test_a_message_says_what_where_and_what_next() -> None:
    error = DamagedFile("ends here", file="m.gguf", offset=7, tensor="a b", plugin="gguf", hint="fetch it again")
    assert str(error) == "m.gguf, byte 7, tensor 'a b': ends here; fetch it again [gguf]"
    assert (error.exit_code, NotVerified("differs").exit_code) == (2, 1)


def test_a_message_is_one_line_whatever_a_file_holds() -> None:
    error = DamagedFile("a name of\n" + "x" * 60_000 + " bytes, 9 were expected", tensor="t" * 60_000)
    assert len(str(error)) < 1000
    assert "\n" not in str(error)
    assert str(error).endswith("bytes, 9 were expected")
