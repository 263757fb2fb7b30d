from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from tokenizers import Tokenizer as Backend

from hub.errors import DamagedFile
from hub.ir import Tokenizer
from hub_safetensors.tokenizer import lost_in_files, read_files, restore, write_files

BPE = Tokenizer(
    kind="bpe",
    tokens=["a", "b", "ab", "<s>", "</s>", "  ", "[PAD6]"],
    types=[1, 1, 1, 3, 3, 4, 5],
    merges=["a b"],
    pre="gpt-2",
    special={"bos": 3, "eos": 4},
)
SPM = Tokenizer(
    kind="spm",
    tokens=["<unk>", "<s>", "</s>", "\u2581", "a", "\u2581a", "<|end|>", "<mark>"],
    scores=[0.0, 0.0, 0.0, -2.0, -3.0, -1.0, -1000.0, -1000.0],
    types=[2, 3, 3, 1, 1, 1, 3, 4],
    pre="default",
    special={"bos": 1, "eos": 2, "unk": 0},
    flags={"add_space_prefix": True, "add_bos": True, "add_eos": False},
)
WORDPIECE = Tokenizer(
    kind="wordpiece",
    tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##able", "cafe", "\u4e2d"],
    types=[3, 3, 3, 3, 1, 1, 1, 1],
    special={"bos": 2, "sep": 3, "unk": 1, "pad": 0},
    token_type_count=2,
)


def backend_of(tokenizer: Tokenizer, config: dict[str, Any] | None = None) -> Any:
    return Backend.from_str(write_files(tokenizer, config or {})["tokenizer.json"].decode())


def config_of(tokenizer: Tokenizer, config: dict[str, Any] | None = None) -> dict[str, Any]:
    stated: dict[str, Any] = json.loads(write_files(tokenizer, config or {})["tokenizer_config.json"])
    return stated


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        ({}, [2]),
        ({"add_bos": False, "add_eos": False}, [2]),
        ({"add_bos": True}, [3, 2]),
        ({"add_eos": True}, [2, 4]),
        ({"add_bos": True, "add_eos": True}, [3, 2, 4]),
    ],
)
def test_what_begins_and_ends_a_text(flags: dict[str, bool], ids: list[int]) -> None:
    tokenizer = replace(BPE, flags=flags)
    assert backend_of(tokenizer).encode("ab").ids == ids
    config = {"vocab_size": 7}
    assert lost_in_files(tokenizer, write_files(tokenizer, config), config) == {}


def test_llama_cpps_own_default_for_a_pre_tokenizer() -> None:
    assert backend_of(replace(BPE, pre="llama-bpe")).encode("ab").ids == [3, 2]


def test_holes_are_left_out_and_added_tokens_found_first() -> None:
    backend = backend_of(BPE)
    assert backend.get_vocab_size() == 6
    assert backend.encode("ab  ab</s>", add_special_tokens=False).ids == [2, 5, 2, 4]


def test_merges_without_their_tokens_are_left_out_and_kept() -> None:
    tokenizer = replace(BPE, merges=["a b", "b b"])
    config = {"vocab_size": 7}
    files = write_files(tokenizer, config)
    left = lost_in_files(tokenizer, files, config)
    assert list(left) == ["merges"]
    assert restore(read_files(files, config), left).merges == ["a b", "b b"]


@pytest.mark.parametrize(
    ("parts", "as_text"),
    [(["a", "b"], True), (["#", "version"], True), (["#version", "b"], False), (["a", "b c"], False)],
)
def test_merges_are_text_where_that_is_read_as_it_is_meant(parts: list[str], as_text: bool) -> None:
    tokenizer = replace(BPE, tokens=[*parts, "".join(parts)], types=None, merges=[" ".join(parts)], special={})
    written = write_files(tokenizer, {})["tokenizer.json"].decode()
    assert json.loads(written)["model"]["merges"] == ([" ".join(parts)] if as_text else [parts])
    assert json.loads(Backend.from_str(written).to_str())["model"]["merges"] == [parts]


def test_sentencepiece_joins_by_score() -> None:
    backend = backend_of(SPM)
    assert backend.encode("a a").tokens == ["<s>", "\u2581a", "\u2581a"]
    assert backend.encode("aa", add_special_tokens=False).tokens == ["\u2581a", "a"]
    assert backend.decode(backend.encode("a a").ids) == "a a"


def test_a_space_is_put_before_every_part_between_special_tokens() -> None:
    with_prefix, without = backend_of(SPM), backend_of(replace(SPM, flags={"add_space_prefix": False}))
    assert with_prefix.encode("a</s>a", add_special_tokens=False).tokens == ["\u2581a", "</s>", "\u2581a"]
    assert without.encode("a</s>a", add_special_tokens=False).tokens == ["a", "</s>", "a"]


def test_sentencepiece_comes_back() -> None:
    config = {"model_type": "llama", "vocab_size": 8}
    files = write_files(SPM, config)
    assert lost_in_files(SPM, files, config) == {}
    assert sorted(json.loads(files["tokenizer_config.json"])["added_tokens_decoder"]) == ["6", "7"]


def test_phi3s_special_tokens_take_the_space_after_them() -> None:
    assert backend_of(SPM).encode("<|end|> a", add_special_tokens=False).ids == [6, 3, 5]
    assert backend_of(SPM, {"model_type": "phi3"}).encode("<|end|> a", add_special_tokens=False).ids == [6, 5]


def test_wordpiece() -> None:
    backend = backend_of(WORDPIECE)
    assert backend.encode("Unable CAF\u00c9 \u4e2d x").tokens == [
        "[CLS]", "un", "##able", "cafe", "\u4e2d", "[UNK]", "[SEP]",
    ]  # fmt: skip
    assert backend.encode("un", "cafe").type_ids == [0, 0, 0, 1, 1]
    cased = backend_of(replace(WORDPIECE, flags={"lowercase": False}))
    assert cased.encode("Unable", add_special_tokens=False).tokens == ["[UNK]"]
    assert config_of(WORDPIECE).get("cls_token") == WORDPIECE.tokens[2]


@pytest.mark.parametrize(
    ("template", "files", "inline"),
    [
        ("T", {"chat_template.jinja": b"T"}, None),
        (
            {"default": "D", "rag": "R"},
            {"chat_template.jinja": b"D", "additional_chat_templates/rag.jinja": b"R"},
            None,
        ),
        ("with\r\nreturns", {}, "with\r\nreturns"),
        ({"rag": "R"}, {}, [{"name": "rag", "template": "R"}]),
        (
            {"default": "D", "../../x": "R"},
            {},
            [{"name": "default", "template": "D"}, {"name": "../../x", "template": "R"}],
        ),
    ],
)
def test_chat_templates(template: Any, files: dict[str, bytes], inline: Any) -> None:
    tokenizer = replace(BPE, chat_template=template)
    written = write_files(tokenizer, {"vocab_size": 7})
    assert {name: data for name, data in written.items() if name.endswith(".jinja")} == files
    assert json.loads(written["tokenizer_config.json"]).get("chat_template") == inline
    assert not any(".." in name for name in written)
    left = lost_in_files(tokenizer, written, {"vocab_size": 7})
    assert restore(read_files(written, {"vocab_size": 7}), left).chat_template == template


@pytest.mark.parametrize("kind", ["bpe", "spm", "unigram", "wordpiece"])
def test_ids_that_are_no_tokens_do_no_harm(kind: Any) -> None:
    far = dict.fromkeys(("bos", "eos", "unk", "sep", "pad", "cls", "mask"), 1 << 40)
    backend = backend_of(Tokenizer(kind, ["<unk>", "a"], scores=[0.0, -1.0], pre="gpt-2", merges=[], special=far))
    assert backend.get_vocab_size() == 2


@pytest.mark.parametrize(
    ("change", "what"),
    [({"tokens": []}, "no tokens"), ({"scores": [math.nan] * 8}, "not a finite number")],
)
def test_vocabularies_that_cannot_be_written(change: dict[str, Any], what: str) -> None:
    with pytest.raises(DamagedFile, match=what):
        write_files(replace(SPM, **change), {})


def test_what_is_left_is_small_and_json() -> None:
    tokenizer = replace(BPE, scores=[0.0] * 6 + [1.5], types=[1, 2, 1, 3, 3, 4, 5], special={"bos": 3, "eot": 4})
    config = {"vocab_size": 7}
    files = write_files(tokenizer, config)
    left = json.loads(json.dumps(lost_in_files(tokenizer, files, config)))
    assert left == {
        "scores": {"all": 0.0, "length": 7, "at": {"6": 1.5}},
        "types": {"at": {"1": 2}},
        "special": {"bos": 3, "eot": 4},
    }
    back = restore(read_files(files, config), left)
    assert (back.scores, list(back.types or ()), back.special) == (tokenizer.scores, tokenizer.types, tokenizer.special)


@pytest.mark.parametrize(
    "left",
    [
        {"scores": {"all": 0.0, "length": 1 << 40, "at": {}}},
        {"types": {"at": {"x": 1}}},
        {"types": {"at": {"99": 1}}},
        {"types": 7},
        {"charsmap": "\u00e9"},
    ],
)
def test_leftovers_of_another_shape_are_refused(left: dict[str, Any]) -> None:
    with pytest.raises(DamagedFile, match="cannot be put back"):
        restore(BPE, left)
