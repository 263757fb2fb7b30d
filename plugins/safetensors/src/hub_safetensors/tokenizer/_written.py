"""What the writers of all kinds of tokenizers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.ir import Tokenizer, TokenType
from hub_safetensors.tokenizer._control import CONTROL_BY_TEXT

Json = dict[str, Any]

# Special tokens that transformers knows by name.
NAMED = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
# Tokens that are found in text before anything else is done to it.
ADDED = frozenset(map(int, (TokenType.CONTROL, TokenType.UNKNOWN, TokenType.USER_DEFINED)))
# <mask> takes the space before it: llama.cpp knows these pre-tokenizers by name for it.
MASK_TAKES_SPACE = ("jina-v2-de", "jina-v2-es", "jina-v2-code", "modern-bert", "roberta-bpe")
# Phi-3's special tokens take the white space after them, except these.
PHI3_KEEPS_SPACE = ("<unk>", "<s>", "<|endoftext|>")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a tokenizer.json that depend on the kind."""

    model: Json
    normalizer: Json | None = None
    pre_tokenizer: Json | None = None
    post_processor: Json | None = None
    decoder: Json | None = None


def sequence(kind: str, steps: Sequence[Json]) -> Json | None:
    """`steps` as one part: itself, a Sequence of them under the key `kind`, or None for no step."""
    if len(steps) < 2:
        return steps[0] if steps else None
    return {"type": "Sequence", kind: list(steps)}


def holes(tokenizer: Tokenizer) -> set[int]:
    """The ids that no token has; the script that reads a folder fills them again."""
    unused = int(TokenType.UNUSED)
    of_type = (i for i, kind in enumerate(tokenizer.types or ()) if kind == unused)
    return {i for i in of_type if tokenizer.tokens[i] == f"[PAD{i}]"}


def vocabulary(tokenizer: Tokenizer) -> dict[str, int]:
    """Ids by token, holes left out; of equal tokens the first."""
    ids: dict[str, int] = {}
    left_out = holes(tokenizer)
    for i, token in enumerate(tokenizer.tokens):
        if i not in left_out:
            ids.setdefault(token, i)
    return ids


def added_tokens(tokenizer: Tokenizer, parts: Parts, config: Mapping[str, Any]) -> list[Json]:
    """The tokens that are found in text before anything is done to it, as tokenizer.json lists them."""
    types = tokenizer.types or [TokenType.NORMAL] * len(tokenizer.tokens)
    # Gemma 4 has a </s> of no meaning, which llama.cpp tells by this token.
    by_text = CONTROL_BY_TEXT - {"</s>"} if "<|tool_response>" in tokenizer.tokens else CONTROL_BY_TEXT
    typed = zip(tokenizer.tokens, types, strict=True)
    found = [i for i, (token, kind) in enumerate(typed) if kind in ADDED or token in by_text]
    plain = parts.normalizer is None
    return [_added(tokenizer, i, types[i] != TokenType.USER_DEFINED, plain, config) for i in found]


def _added(tokenizer: Tokenizer, i: int, special: bool, plain: bool, config: Mapping[str, Any]) -> Json:
    token = tokenizer.tokens[i]
    is_phi3 = config.get("model_type") == "phi3" and tokenizer.kind == "spm"
    return {
        "id": i,
        "content": token,
        "single_word": False,
        "lstrip": i == tokenizer.special.get("mask") and tokenizer.pre in MASK_TAKES_SPACE,
        "rstrip": is_phi3 and special and token not in PHI3_KEEPS_SPACE,
        # Without a normalizer this changes nothing, save that readers do not decode the token's text.
        "normalized": plain and not special,
        "special": special,
    }


def named_tokens(tokenizer: Tokenizer) -> dict[str, str]:
    """`bos_token` and the like, as tokenizer_config.json and special_tokens_map.json state them."""
    special, n = dict(tokenizer.special), len(tokenizer.tokens)
    if tokenizer.kind == "wordpiece" and "bos" in special:
        # llama.cpp has one id for both.
        special.setdefault("cls", special["bos"])
    return {f"{name}_token": tokenizer.tokens[special[name]] for name in NAMED if special.get(name, n) < n}


def special_id(tokenizer: Tokenizer, name: str, default: int) -> int:
    """The id of special token `name`; `default` where none is stated or it is no token."""
    i = tokenizer.special.get(name, default)
    return i if 0 <= i < len(tokenizer.tokens) else default


def template(tokenizer: Tokenizer, bos: bool, eos: bool) -> Json | None:
    """The post-processor that adds the tokens which begin and end a text; None when nothing is added."""
    first = _special(tokenizer, "bos") if bos else None
    last = _special(tokenizer, "eos") if eos else None
    if first is None and last is None:
        return None
    a: Json = {"Sequence": {"id": "A", "type_id": 0}}
    b: Json = {"Sequence": {"id": "B", "type_id": 1}}
    begin, end = [_piece(first, 0)] if first else [], [_piece(last, 0)] if last else []
    middle = [_piece(first, 1)] if first and "add_sep" in tokenizer.flags else []
    return {
        "type": "TemplateProcessing",
        "single": [*begin, a, *end],
        "pair": [*begin, a, *middle, b, *end],
        "special_tokens": {token: _entry(token, i) for token, i in filter(None, (first, last))},
    }


def _special(tokenizer: Tokenizer, name: str) -> tuple[str, int] | None:
    i = tokenizer.special.get(name)
    return None if i is None or i >= len(tokenizer.tokens) else (tokenizer.tokens[i], i)


def _piece(token: tuple[str, int], segment: int) -> Json:
    return {"SpecialToken": {"id": token[0], "type_id": segment}}


def _entry(token: str, i: int) -> Json:
    return {"id": token, "ids": [i], "tokens": [token]}
