"""Folders without a tokenizer.json: the older vocab.json with merges.txt, and BERT's vocab.txt."""

from __future__ import annotations

from typing import Any

from hub.ir import Tokenizer
from hub_safetensors.tokenizer._folder import NAMED, Folder
from hub_safetensors.tokenizer._write_bpe import bpe_parts
from hub_safetensors.tokenizer._write_wordpiece import wordpiece_parts
from hub_safetensors.tokenizer._written import Parts

# What the class of the tokenizer says about its pre-tokenizer; others of byte-level BPE split as GPT-2 does.
PRE_BY_CLASS = {"Qwen2Tokenizer": "qwen2"}


def with_tokenizer_json(folder: Folder) -> Folder:
    """`folder`, with the tokenizer.json that its older files amount to when it has none."""
    if "tokenizer.json" in folder.files:
        return folder
    if "vocab.json" in folder.files and "merges.txt" in folder.files:
        folder.tokenizer = _from_merges(folder)
    elif "vocab.txt" in folder.files:
        folder.tokenizer = _from_words(folder)
    return folder


def _from_merges(folder: Folder) -> dict[str, Any]:
    vocab = {token: i for token, i in folder.json("vocab.json").items() if type(i) is int}
    lines = (folder.text("merges.txt") or "").split("\n")
    merges = [line for line in lines if line.count(" ") == 1 and not line.startswith("#version")]
    name = str(folder.tokenizer_config.get("tokenizer_class")).removesuffix("Fast")
    tokens = sorted(vocab, key=vocab.__getitem__)
    parts = bpe_parts(Tokenizer("bpe", tokens, merges=merges, pre=PRE_BY_CLASS.get(name, "gpt-2")))
    return _assembled(folder, parts, {**vocab, **_added(folder)}) | {"model": {**parts.model, "vocab": vocab}}


def _from_words(folder: Folder) -> dict[str, Any]:
    tokens = (folder.text("vocab.txt") or "").rstrip("\n").split("\n")
    vocab = {token: i for i, token in enumerate(tokens)}
    names = {"cls": "[CLS]", "sep": "[SEP]", "unk": "[UNK]", "pad": "[PAD]", "mask": "[MASK]"}
    stated = {name: folder.named(name) or usual for name, usual in names.items()}
    special = {name: vocab[text] for name, text in stated.items() if text in vocab}
    config = folder.tokenizer_config
    flags = {"lowercase": config.get("do_lower_case", True)}
    if config.get("strip_accents") is not None:
        flags["strip_accents"] = config["strip_accents"]
    parts = wordpiece_parts(Tokenizer("wordpiece", tokens, special=special, flags=flags))
    return _assembled(folder, parts, vocab, [tokens[i] for i in special.values()])


def _added(folder: Folder) -> dict[str, int]:
    return {token: i for token, i in folder.json("added_tokens.json").items() if type(i) is int}


def _assembled(folder: Folder, parts: Parts, ids: dict[str, int], special: list[str] | None = None) -> dict[str, Any]:
    named = [text for name in NAMED if (text := folder.named(name)) is not None]
    marked = dict.fromkeys([*named, *(special or ())])
    added = {ids[text]: {"content": text, "special": True} for text in marked if text in ids}
    added |= {i: {"content": text, "special": text in marked} for text, i in _added(folder).items()}
    added |= dict(folder.added_in_config())
    base = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "added_tokens": [{"id": i, **base, **added[i]} for i in sorted(added)],
        "normalizer": parts.normalizer,
        "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": parts.post_processor,
        "decoder": parts.decoder,
        "model": parts.model,
    }
