"""Folders of every kind, small enough to say by hand what llama.cpp's script would make of them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from tokenizers import Tokenizer as Backend

from hub.errors import DamagedFile, HubError, UnsupportedFile
from hub.ir import Tokenizer
from hub_safetensors.tokenizer import read_files, write_files
from hub_safetensors.tokenizer._sentencepiece import ModelProto, Piece, serialize

BYTES = [f"<0x{value:02X}>" for value in range(256)]
SPLIT = {"type": "Split", "pattern": {"Regex": r"\p{N}"}, "behavior": "Isolated", "invert": False}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def added(i: int, content: str, special: bool = False, normalized: bool = False) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": normalized, "special": special}
    return {"id": i, "content": content, **flags}


def bpe(**parts: Any) -> dict[str, Any]:
    vocab = {"a": 0, "b": 1, "ab": 2, "\u0120a": 3, "\u0120": 4}
    base: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, BYTE_LEVEL]},
        "post_processor": None,
        "decoder": BYTE_LEVEL,
        "model": {"type": "BPE", "vocab": vocab, "merges": [["a", "b"], ["\u0120", "a"]]},
    }
    return base | parts


def read(files: dict[str, Any], config: dict[str, Any], **options: Any) -> Tokenizer:
    data = {name: value if isinstance(value, bytes) else json.dumps(value).encode() for name, value in files.items()}
    tokenizer = read_files(data, config, **options)
    assert tokenizer is not None
    return tokenizer


def test_bpe_with_holes_added_and_special_tokens() -> None:
    listed = [added(5, "<s>", special=True), added(7, "<|look|>"), added(8, "\u2581\u2581 x", normalized=True)]
    found = read({"tokenizer.json": bpe(added_tokens=listed)}, {"vocab_size": 10})
    assert list(found.tokens) == ["a", "b", "ab", "\u0120a", "\u0120", "<s>", "[PAD6]", "<|look|>", "   x", "[PAD9]"]
    assert list(found.types or ()) == [1, 1, 1, 1, 1, 3, 5, 3, 4, 5]
    assert list(found.merges or ()) == ["a b", "\u0120 a"]
    assert (found.kind, found.pre, found.scores) == ("bpe", "smollm", None)


def test_an_added_token_is_put_down_as_it_is_decoded() -> None:
    listed = [added(5, "x\u0120y"), added(6, "z\u0120w", normalized=True)]
    assert list(read({"tokenizer.json": bpe(added_tokens=listed)}, {}).tokens[5:]) == ["x y", "z\u0120w"]


def test_a_special_token_named_in_the_config_alone_is_added() -> None:
    files = {"tokenizer.json": bpe(), "tokenizer_config.json": {"eos_token": {"content": "ab"}}}
    assert list(read(files, {}).types or ()) == [1, 1, 3, 1, 1]


def test_merges_with_spaces_are_written_in_the_byte_level_alphabet() -> None:
    model = {"type": "BPE", "vocab": {"a": 0, " ": 1, " a": 2}, "merges": [[" ", "a"]]}
    assert list(read({"tokenizer.json": bpe(model=model)}, {}).merges or ()) == ["\u0120 a"]
    old = {**model, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
    assert list(read({"tokenizer.json": bpe(model=old)}, {}).merges or ()) == ["a b"]


@pytest.mark.parametrize(
    ("steps", "ignore_merges", "normalizer", "family", "pre"),
    [
        ([BYTE_LEVEL], False, None, "gpt2", "gpt-2"),
        ([BYTE_LEVEL], False, {"type": "NFC"}, "gpt_neox", "olmo"),
        ([{"type": "Digits", "individual_digits": True}, BYTE_LEVEL], False, None, "llama", "smollm"),
        ([{"type": "Digits", "individual_digits": True}, BYTE_LEVEL], False, None, "starcoder2", "starcoder"),
        (
            [
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+"
            ],
            True,
            None,
            "llama",
            "llama-bpe",
        ),
        (
            [
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+"
            ],
            False,
            {"type": "NFC"},
            "qwen2",
            "qwen2",
        ),
        (
            [
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
                r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
                r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            ],
            False,
            None,
            "gpt_oss",
            "gpt-4o",
        ),
        ([r"\w+"], False, None, "llama", None),
        ([{"type": "Punctuation", "behavior": "Isolated"}, BYTE_LEVEL], False, None, "llama", None),
    ],
)
def test_the_pre_tokenizer_is_known_by_its_rules(
    steps: list[Any], ignore_merges: bool, normalizer: Any, family: str, pre: str | None
) -> None:
    bytes_only = {**BYTE_LEVEL, "use_regex": False}
    whole = [s if isinstance(s, dict) else {**SPLIT, "pattern": {"Regex": s}} for s in steps]
    whole += [] if BYTE_LEVEL in steps else [bytes_only]
    document = bpe(pre_tokenizer={"type": "Sequence", "pretokenizers": whole}, normalizer=normalizer)
    document["model"]["ignore_merges"] = ignore_merges
    assert read({"tokenizer.json": document}, {"model_type": family}).pre == pre
    assert read({"tokenizer.json": document}, {"model_type": family}, pre="tekken").pre == "tekken"


def test_a_token_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(UnsupportedFile, match="token 9 is outside the model's vocabulary of 8"):
        read({"tokenizer.json": bpe(added_tokens=[added(9, "<x>")])}, {"vocab_size": 8})


PIECES = ModelProto(
    [Piece("<unk>", 0.0, 2), Piece("<s>", 0.0, 3), Piece("</s>", 0.0, 3), Piece("\u2581a", -1.0), Piece("x", -2.0, 4)],
    model_type=2,
)


def test_sentencepiece_and_what_is_added_to_it() -> None:
    files = {
        "tokenizer.model": serialize(PIECES),
        "added_tokens.json": {"<new>": 5},
        "tokenizer_config.json": {
            "added_tokens_decoder": {
                "2": added(2, "</s>", special=True),
                "6": added(6, "\u2581\u2581"),
                "7": added(7, "<pad>"),
            },
            "bos_token": "<s>",
            "add_bos_token": True,
            "add_prefix_space": False,
        },
    }
    found = read(files, {"model_type": "llama", "vocab_size": 9, "bos_token_id": 1, "eos_token_id": 99})
    assert list(found.tokens) == ["<unk>", "<s>", "</s>", "\u2581a", "x", "<new>", "  ", "<pad>", "[PAD8]"]
    assert list(found.types or ()) == [2, 3, 3, 1, 1, 4, 4, 3, 5]
    assert list(found.scores or ()) == [0.0, 0.0, -1000.0, -1.0, -2.0, -1000.0, -1000.0, -1000.0, -10000.0]
    assert (found.kind, found.pre, found.special) == ("spm", "default", {"bos": 1})
    assert found.flags == {"add_bos": True, "add_space_prefix": False}


@pytest.mark.parametrize(
    ("config", "flags", "special"),
    [
        ({"model_type": "gemma"}, {"add_space_prefix": False}, {"eot": 107}),
        ({"model_type": "gemma2"}, {"add_space_prefix": False}, {}),
        ({"model_type": "llama", "vocab_size": 32016}, {}, {"eot": 32010}),
        ({"model_type": "granite", "vocab_size": 49152}, {"add_bos": False}, {}),
    ],
)
def test_what_the_script_knows_about_families(config: Any, flags: Any, special: Any) -> None:
    found = read({"tokenizer.model": serialize(PIECES)}, config)
    assert (found.flags, found.special) == (flags, special)


def test_phi3_takes_its_added_tokens_as_they_are() -> None:
    files = {"tokenizer.model": serialize(PIECES), "tokenizer.json": {"added_tokens": [added(4, "<|\u2581x|>")]}}
    found = read(files, {"model_type": "phi3"})
    assert (found.tokens[4], (found.types or [])[4], (found.scores or [])[4]) == ("<|\u2581x|>", 4, -1000.0)


def test_merges_alone_give_scores_that_join_the_same_pieces() -> None:
    vocab = ["<unk>", "<s>", *BYTES, "\u2581", "a", "b", "c", "ab", "bc", "abc", "\u2581a"]
    model = {
        "type": "BPE",
        "vocab": {token: i for i, token in enumerate(vocab)},
        "merges": [["b", "c"], ["a", "b"], ["a", "bc"], ["\u2581", "a"]],
        "byte_fallback": True,
        "unk_token": "<unk>",
        "fuse_unk": True,
    }
    escape = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    normalizer = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, escape]}
    document = bpe(model=model, pre_tokenizer=None, normalizer=normalizer, added_tokens=[added(1, "<s>", special=True)])
    found = read({"tokenizer.json": document}, {"model_type": "llama"})
    assert found.kind == "spm"
    assert list(found.types or ())[:3] == [2, 3, 6]
    ours = Backend.from_str(write_files(found, {})["tokenizer.json"].decode())
    theirs = Backend.from_str(json.dumps(document))
    for text in ("abc", "aab bca", "abab\u00e9", "<s>ab", " a  b"):
        assert ours.encode(text).ids == theirs.encode(text).ids


def test_unigram_of_t5() -> None:
    model = ModelProto([Piece("<pad>", 0.0, 3), Piece("</s>", 0.0, 3), Piece("<unk>", 0.0, 2)], charsmap=b"\x01")
    found = read({"spiece.model": serialize(model)}, {"model_type": "t5", "vocab_size": 4, "eos_token_id": 1})
    assert (found.kind, found.pre, found.charsmap) == ("unigram", "default", b"\x01")
    assert list(found.types or ()) == [3, 3, 2, 5]
    assert found.flags == {"add_space_prefix": True, "remove_extra_whitespaces": True}
    assert found.special == {"eos": 1}


def test_unigram_of_xlm_roberta() -> None:
    document = {
        "model": {"type": "Unigram", "unk_id": 2, "vocab": [["<s>", 0], ["</s>", 0], ["<unk>", 0], ["\u2581a", -1.5]]},
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": b64encode(b"\x02").decode()},
        "added_tokens": [added(0, "<s>", special=True), added(3, "\u2581a")],
    }
    stated = {"eos_token": "</s>", "unk_token": "<unk>", "clean_up_tokenization_spaces": True}
    found = read({"tokenizer.json": document, "tokenizer_config.json": stated}, {"type_vocab_size": 1, "vocab_size": 5})
    assert list(found.types or ()) == [3, 3, 2, 4, 5]
    assert list(found.scores or ()) == [0.0, 0.0, 0.0, -1.5, -10000.0]
    assert (found.charsmap, found.token_type_count) == (b"\x02", 1)


BERT = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n##s\n!\n"


def test_a_vocabulary_in_lines_is_berts() -> None:
    found = read({"vocab.txt": BERT.encode(), "tokenizer_config.json": {"do_lower_case": True}}, {"type_vocab_size": 2})
    assert list(found.tokens) == BERT.split()
    assert list(found.types or ()) == [3, 3, 3, 3, 3, 1, 1, 1]
    assert (found.kind, found.token_type_count, found.flags["lowercase"]) == ("wordpiece", 2, True)
    backend = Backend.from_str(write_files(found, {})["tokenizer.json"].decode())
    assert backend.encode("Hellos!").tokens == ["[CLS]", "hello", "##s", "!", "[SEP]"]


def test_older_byte_level_files() -> None:
    files = {
        "vocab.json": {"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3},
        "merges.txt": b"#version: 0.2\na b\n",
        "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>"},
    }
    found = read(files, {"model_type": "qwen2", "vocab_size": 5})
    assert list(found.tokens) == ["a", "b", "ab", "<|endoftext|>", "[PAD4]"]
    assert list(found.types or ()) == [1, 1, 1, 3, 5]
    assert (found.pre, found.special, list(found.merges or ())) == ("qwen2", {"eos": 3}, ["a b"])


def test_a_folder_without_a_tokenizer() -> None:
    assert read_files({"config.json": b"{}"}, {}) is None


@pytest.mark.parametrize(
    ("files", "config", "what"),
    [
        ({"tokenizer.json": b"[" * 10_000}, {}, "nests too deep|JSON was expected"),
        ({"tokenizer.json": b"[]"}, {}, "a JSON object was expected"),
        ({"tokenizer.json": b"\xff"}, {}, "JSON was expected"),
        ({"tokenizer.json": bpe(), "tokenizer_config.json": b"{"}, {}, "tokenizer_config.json"),
        ({"tokenizer.json": bpe()}, {"vocab_size": 10**12}, "1000000000000 tokens"),
        ({"tokenizer.json": bpe(added_tokens=[added(10**12, "x")])}, {}, "cannot load it"),
        ({"tokenizer.json": bpe(added_tokens=[{"id": 1}])}, {}, "cannot load it"),
        ({"tokenizer.json": bpe(model={"type": "BPE", "vocab": {"a": "0"}})}, {}, "cannot load it"),
        ({"tokenizer.json": bpe(model={"type": "BPE", "vocab": {}, "merges": [["a", "b"]]})}, {}, "cannot load it"),
        ({"tokenizer.json": bpe(added_tokens=[added(10**9, "x")])}, {}, "1000000001 tokens"),
        (
            {"tokenizer.json": bpe(model={"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []})},
            {},
            "both have the id 0",
        ),
        ({"tokenizer.json": bpe(added_tokens=[added(5, "x"), added(5, "y")])}, {}, "'x' and 'y' both have the id 5"),
        ({"tokenizer.json": bpe(model=None)}, {}, "no model"),
        ({"tokenizer.json": bpe(), "tokenizer_config.json": {"chat_template": 5}}, {}, "chat_template is a int"),
        ({"tokenizer.model": b"\x0a\xff"}, {}, "tokenizer.model"),
        ({"tokenizer.model": serialize(PIECES), "added_tokens.json": {"x": "y"}}, {}, "the id of 'x'"),
        ({"tokenizer.json": {"model": {"type": "Unigram", "vocab": {}}}}, {}, "tokens and scores"),
    ],
)
def test_damage_is_named(files: dict[str, Any], config: dict[str, Any], what: str) -> None:
    with pytest.raises(DamagedFile, match=what):
        read(files, config)


def test_a_value_of_the_wrong_shape_anywhere_is_an_error_of_ours_or_none() -> None:
    files = {
        "tokenizer.json": bpe(
            added_tokens=[added(5, "<s>", special=True)],
            normalizer={"type": "Sequence", "normalizers": [{"type": "Lowercase"}]},
            post_processor={"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}], "pair": []},
        ),
        "tokenizer_config.json": {"bos_token": "<s>", "added_tokens_decoder": {"5": {"content": "<s>"}}},
    }
    tried = 0
    for name, document in files.items():
        for changed in wrong_shapes(document):
            try:
                read(files | {name: changed}, {"model_type": "llama"})
            except (HubError, AssertionError):
                tried += 1
    assert tried > 50


def wrong_shapes(value: Any) -> Iterator[Any]:
    """`value` with one node after the other replaced by values of other types."""
    yield from (None, 7, "x", [], {}, [1], {"a": 1})
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: changed} for changed in wrong_shapes(inner))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from ([*value[:i], changed, *value[i + 1 :]] for changed in wrong_shapes(inner))
