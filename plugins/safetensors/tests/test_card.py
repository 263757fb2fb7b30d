"""Front matter of model cards, against texts whose meaning YAML defines."""

from __future__ import annotations

from typing import Any

import pytest

from hub_safetensors._card import read_card, write_card

CARDS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("# Title\n---\nlicense: mit\n---\n", {}),
    "scalars": ("---\nlicense: mit\nversion: 1.5\nparams: 7\ngated: true\n---\n", {
        "license": "mit", "version": 1.5, "params": 7, "gated": True,
    }),
    "lists": ("---\nlanguage:\n- en\n- no\ntags: [a, 'b c', \"d\"]\n---\n", {
        "language": ["en", "no"], "tags": ["a", "b c", "d"],
    }),
    "indented list": ("---\ntags:\n  - x\n  - y: z\n---\n", {"tags": ["x", {"y": "z"}]}),
    "mappings": ("---\ndatasets:\n- name: a\n  type: b\n- name: c\n---\n", {
        "datasets": [{"name": "a", "type": "b"}, {"name": "c"}],
    }),
    "comments and blanks": ("---\n# all\nlicense: mit # yes\n\ntags:\n# none\n- a\n---\n", {
        "license": "mit", "tags": ["a"],
    }),
    "quotes": ("---\na: \"x: \\\"y\\\"\"\nb: 'it''s'\nc: '#1'\n---\n", {"a": 'x: "y"', "b": "it's", "c": "#1"}),
    "windows": ("---\r\nlicense: mit\r\ntags:\r\n- a\r\n---\r\n# T", {"license": "mit", "tags": ["a"]}),
    "deep is left out": ("---\nlicense: mit\nmodel-index:\n- name: x\n  results:\n  - task:\n      type: t\n---\n", {
        "license": "mit",
    }),
    "text": ("---\ndescription: >\n  one\n  two\n---\n", {"description": "one two"}),
    "not closed": ("---\nlicense: mit\n", {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", CARDS)
def test_cards(kind: str) -> None:
    text, expected = CARDS[kind]
    assert read_card(text.encode()) == expected


def test_what_is_written_reads_back() -> None:
    metadata = {
        "license": "apache-2.0", "language": ["en", "no", "1"], "tags": ["a: b", "#x", " spaced ", "é", "true"],
        "base_model": ["org/model"], "pipeline_tag": "text-generation", "name": "A model", "other": 1,
    }  # fmt: skip
    card = write_card(metadata)
    assert card is not None
    assert read_card(card) == {k: v for k, v in metadata.items() if k not in {"name", "other"}}
    assert card.endswith(b"# A model\n")


def test_nothing_is_invented() -> None:
    assert write_card({"name": "x", "format": "GGUF v3", "license": ""}) is None
