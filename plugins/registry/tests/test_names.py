"""What is a name, what is an address, and what is neither."""

from __future__ import annotations

import pytest

from hub.errors import UsageError
from hub_registry import Address, Name
from hub_registry._names import address, parse, read

HEX = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("org/model", Name("org/model", "latest")),
        ("org/model:v1.2", Name("org/model", "v1.2")),
        ("Qwen/Qwen2.5-0.5B-Instruct:production", Name("Qwen/Qwen2.5-0.5B-Instruct", "production")),
        ("a/b/c:x--y#gguf", Name("a/b/c", "x--y", None, "gguf")),
        (f"org/model@{HEX}", Name("org/model", "latest", HEX)),
        (f"org/model@{HEX}#q4.gguf", Name("org/model", "latest", HEX, "q4.gguf")),
    ],
)
def test_names(text: str, name: Name) -> None:
    assert read(text) == name
    assert read(str(name)) == name


@pytest.mark.parametrize(
    "text",
    ["model", "model:v1", "/org/model", "org//model", "../model", "./org/model", "org/model:", "org/mo del",
     "org/m:a:b", "org/model#", "C:\\org\\model", "oci://host/org/model", "org/model@sha256:00",
     "org/_model", "org/model:-x",     "org/" + "m" * 300, "org/model:" + "t" * 129, "org/model\n", "org/módel"],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    assert read(text) is None
    with pytest.raises(UsageError, match=r"is no name of a model: ORG/MODEL\[:TAG\] was expected"):
        parse(text)


@pytest.mark.parametrize("text", [f"org/model@{HEX}", "org/model:v1#gguf"])
def test_what_cannot_be_written_to(text: str) -> None:
    with pytest.raises(UsageError, match="names what is there"):
        parse(text, writes=True)


@pytest.mark.parametrize(
    ("text", "expected", "here"),
    [
        ("oci://ghcr.io/org/model:v1", Address("ghcr.io", "org/model", "v1"), False),
        ("oci://localhost:5000/model", Address("localhost:5000", "model", "latest"), True),
        ("oci://127.0.0.1:5000/a/b/c:x#gguf", Address("127.0.0.1:5000", "a/b/c", "x", None, "gguf"), True),
        ("oci://[::1]:5000/a/b", Address("[::1]:5000", "a/b"), True),
        (f"oci://host.example/a/b@{HEX}", Address("host.example", "a/b", "latest", HEX), False),
        ("oci://127.0.0.1.evil.example/a/b", Address("127.0.0.1.evil.example", "a/b"), False),
    ],
)
def test_addresses(text: str, expected: Address, here: bool) -> None:
    assert address(text) == expected
    assert address(text).is_here is here


@pytest.mark.parametrize(
    "text",
    ["oci://host", "oci:///a/b", "oci://host/UPPER/b", "https://host/a/b", "oci://user@host/a/b", "oci://host/a/../b",
     "oci://host/a b", "oci://host/a/b:", "oci://host:99999999/a", "oci://ho st/a/b", "oci://host/a/b@sha256:1"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="was expected"):
        address(text)
