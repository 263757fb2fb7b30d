"""A tokenizer as the files of a Hugging Face folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from hub.errors import DamagedFile
from hub.ir import Tokenizer, TokenType
from hub_safetensors.tokenizer._write_bpe import bpe_parts
from hub_safetensors.tokenizer._write_spm import ADDED_SCORE, model_file, spm_parts
from hub_safetensors.tokenizer._write_unigram import unigram_parts
from hub_safetensors.tokenizer._write_wordpiece import wordpiece_parts
from hub_safetensors.tokenizer._written import Json, Parts, added_tokens, named_tokens

PARTS = {"bpe": bpe_parts, "spm": spm_parts, "unigram": unigram_parts, "wordpiece": wordpiece_parts}

# The class that reads tokenizer.json as it is, in transformers 4 and 5.
TOKENIZER_CLASS = "PreTrainedTokenizerFast"
STATED_IN_CONFIG = {
    "add_bos": "add_bos_token",
    "add_eos": "add_eos_token",
    "add_sep": "add_sep_token",
    "add_space_prefix": "add_prefix_space",
}
TEMPLATE_FILE = "chat_template.jinja"
TEMPLATE_FOLDER = "additional_chat_templates"


def write_files(tokenizer: Tokenizer, config: Mapping[str, Any]) -> dict[str, bytes]:
    """The files by name (which may hold a "/") that hold `tokenizer` in a folder whose config.json is `config`.

    Raises `MissingFact` for BPE whose pre-tokenizer is not stated or not known, `DamagedFile` for a vocabulary without
    tokens or with scores that are no numbers.
    """
    if not len(tokenizer.tokens):
        raise DamagedFile("the vocabulary has no tokens")
    if tokenizer.scores is not None and not all(map(isfinite, tokenizer.scores)):
        raise DamagedFile("a token's score is not a finite number")
    parts = PARTS[tokenizer.kind](tokenizer)
    added = added_tokens(tokenizer, parts, config)
    templates, inline = _templates(tokenizer.chat_template)
    files = {
        "tokenizer.json": _json(_tokenizer_json(parts, added), indent=None),
        "tokenizer_config.json": _json(_tokenizer_config(tokenizer, added, config) | inline),
        "special_tokens_map.json": _json(named_tokens(tokenizer)),
        **{name: text.encode() for name, text in templates.items()},
    }
    if tokenizer.kind == "spm":
        files["tokenizer.model"] = model_file(tokenizer)
    if tokenizer.kind == "unigram" and config.get("model_type") in ("t5", "umt5"):
        files["spiece.model"] = model_file(tokenizer)
    return files


def _json(value: Any, indent: int | None = 2) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode()


def _tokenizer_json(parts: Parts, added: Sequence[Json]) -> Json:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": parts.normalizer,
        "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": parts.post_processor,
        "decoder": parts.decoder,
        "model": parts.model,
    }


def _tokenizer_config(tokenizer: Tokenizer, added: Sequence[Json], config: Mapping[str, Any]) -> Json:
    stated = {key: tokenizer.flags[flag] for flag, key in STATED_IN_CONFIG.items() if flag in tokenizer.flags}
    segments = ["token_type_ids"] if tokenizer.kind == "wordpiece" else []
    longest = config.get("max_position_embeddings")
    return {
        **stated,
        "added_tokens_decoder": dict(_decoder_tokens(tokenizer, added)),
        **named_tokens(tokenizer),
        # llama.cpp's script reads remove_extra_whitespaces from here.
        "clean_up_tokenization_spaces": tokenizer.flags.get("remove_extra_whitespaces", tokenizer.kind == "wordpiece"),
        "model_input_names": ["input_ids", *segments, "attention_mask"],
        **({"model_max_length": longest} if isinstance(longest, int) else {}),
        "tokenizer_class": TOKENIZER_CLASS,
    }


def _decoder_tokens(tokenizer: Tokenizer, added: Sequence[Json]) -> Iterator[tuple[str, Json]]:
    """The added tokens that tokenizer_config.json repeats, by id.

    Of SentencePiece's only those that tokenizer.model cannot hold: whoever reads both gives the repeated ones the
    score -1000.
    """
    for token in added:
        i = token["id"]
        user_defined = tokenizer.types is not None and tokenizer.types[i] == TokenType.USER_DEFINED
        if tokenizer.kind != "spm" or user_defined or (tokenizer.scores and tokenizer.scores[i] == ADDED_SCORE):
            yield str(i), {key: value for key, value in token.items() if key != "id"}


def _templates(template: str | Mapping[str, str] | None) -> tuple[dict[str, str], dict[str, Any]]:
    """Chat templates as files, and as keys of tokenizer_config.json where files would change them."""
    if template is None:
        return {}, {}
    named = {"default": template} if isinstance(template, str) else dict(template)
    plain = all(re.fullmatch(r"[\w-]+", name, re.ASCII) and "\r" not in text for name, text in named.items())
    if not plain or "default" not in named:
        listed = [{"name": name, "template": text} for name, text in named.items()]
        return {}, {"chat_template": template if isinstance(template, str) else listed}
    default = named.pop("default")
    return {TEMPLATE_FILE: default} | {f"{TEMPLATE_FOLDER}/{name}.jinja": text for name, text in named.items()}, {}
