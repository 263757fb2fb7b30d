from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from hub.errors import BadSignature
from hub.signing import Statement

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
OTHER = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
WHOLE = Statement(
    "tiny", {"b/c.bin": SHA, "a.bin": OTHER, "b.bin": SHA}, (".git",), "org/tiny", 7, {"schema": "hub.manifest/1"}
)


def test_a_statement_comes_back_as_it_was() -> None:
    assert Statement.parse(WHOLE.payload()) == WHOLE
    bare = Statement("tiny", {".": SHA})
    assert Statement.parse(bare.payload()) == bare
    assert "annotations" not in json.loads(bare.payload())["subject"][0]


def test_files_are_named_in_the_order_of_the_specification() -> None:
    names = [r["name"] for r in json.loads(WHOLE.payload())["predicate"]["resources"]]
    assert names == ["a.bin", "b.bin", "b/c.bin"]


def test_a_statement_is_what_its_schema_says(schema: Callable[[str], dict[str, Any]]) -> None:
    for statement in (WHOLE, Statement("tiny", {".": SHA})):
        jsonschema.Draft202012Validator(schema("statement")).validate(json.loads(statement.payload()))


def at(document: Any, path: str) -> tuple[Any, Any]:
    *steps, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    for step in steps:
        document = document[step]
    return document, last


CHANGES: dict[str, tuple[str, Any, str]] = {
    "another statement type": ("_type", "https://in-toto.io/Statement/v0.1", "has _type"),
    "another predicate": ("predicateType", "https://slsa.dev/provenance/v1", "has predicateType"),
    "the predicate of model-signing 0.2": (
        "predicateType", "https://model_signing/Digests/v0.1", "only 'https://model_signing/signature/v1.0' is known"),
    "no subject": ("subject", [], "has 0 subjects"),
    "a subject without name": ("subject/0/name", None, "lacks 'name'"),
    "another root digest": ("subject/0/digest/sha256", SHA, "contradicts itself"),
    "a sequence that is no number": ("subject/0/annotations", {"hub.sequence": "7"}, "'hub.sequence' of the wrong"),
    "a sequence that is true": ("subject/0/annotations", {"hub.sequence": True}, "'hub.sequence' of the wrong type"),
    "a name that is no text": ("subject/0/annotations", {"hub.name": 7}, "'hub.name' of the wrong type"),
    "parts of files": ("predicate/serialization/method", "shards", "has method 'shards'"),
    "another hash": ("predicate/serialization/hash_type", "blake3", "has hash_type 'blake3'"),
    "another hash for one file": ("predicate/resources/0/algorithm", "md5", "has algorithm 'md5'"),
    "a digest that is short": ("predicate/resources/0/digest", SHA[:32], "a digest that is no SHA-256"),
    "a digest in upper case": ("predicate/resources/0/digest", SHA.upper(), "a digest that is no SHA-256"),
    "no file": ("predicate/resources", [], "names no file"),
    "files that are no list": ("predicate/resources", {}, "lacks 'resources', or it is not a list"),
    "a name twice": ("predicate/resources/0/name", "b.bin", "names 'b.bin' twice"),
    "names that differ in case": ("predicate/resources/0/name", "B.bin", "differ in case or Unicode form only"),
    "a name outside": ("predicate/resources/0/name", "../a.bin", "is no name of a file below a folder"),
    "an absolute name": ("predicate/resources/0/name", "/etc/passwd", "is no name of a file below a folder"),
    "a name with detours": ("predicate/resources/0/name", "b/./a.bin", "is no name of a file below a folder"),
    "a name of Windows": ("predicate/resources/0/name", "..\\a.bin", "is no name of a file below a folder"),
    "an empty name": ("predicate/resources/0/name", "", "is no name of a file below a folder"),
    "the folder itself": ("predicate/resources/0/name", ".", "is no name of a file below a folder"),
    "an ignored path outside": ("predicate/serialization/ignore_paths", ["../x"], "is no name of a file below"),
    "ignored paths that are no list": ("predicate/serialization/ignore_paths", "x", "no list of names"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_statement_that_is_no_model_s_is_refused(change: str) -> None:
    path, value, message = CHANGES[change]
    document = json.loads(WHOLE.payload())
    where, last = at(document, path)
    where[last] = value
    with pytest.raises(BadSignature, match=message):
        Statement.parse(json.dumps(document).encode())


def test_what_is_no_statement_is_refused() -> None:
    for data in (b"", b"[]", b"null", b"{}", b'{"_type": 1}', b'{"a": 1, "a": 2}', b"\xff"):
        with pytest.raises(BadSignature):
            Statement.parse(data)
