"""A tokenizer in one form, whatever files it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

Kind = Literal["bpe", "spm", "unigram", "wordpiece"]


class TokenType(IntEnum):
    """What a token is; the numbers are llama.cpp's (`llama_token_type`)."""

    UNDEFINED = 0
    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Everything that turns text into ids and back.

    `kind`: "bpe" is byte-level BPE with merges, "spm" SentencePiece BPE with scores (llama), "unigram" SentencePiece
    Unigram (t5), "wordpiece" BERT's.
    `tokens[i]` is token i as Hugging Face writes it: byte-level alphabet for "bpe", U+2581 for the space in "spm" and
    "unigram", `##` continuation in "wordpiece"; added tokens are plain text.
    `scores` and `types` (see `TokenType`) run parallel to `tokens`; `merges` are "left right" pairs, best first.
    `pre` is llama.cpp's name of the pre-tokenizer ("llama-bpe", "qwen2", ...).
    `special` maps bos, eos, unk, sep, pad, cls, mask, eot, eom, fim_pre, fim_suf, fim_mid, fim_pad, fim_rep, fim_sep to
    ids.
    `flags` holds add_bos, add_eos, add_sep, add_space_prefix, remove_extra_whitespaces, lowercase, strip_accents and
    the like, only where the source states them.
    `charsmap` is SentencePiece's precompiled normalizer table.
    `token_type_count` is the number of segment ids that a BERT vocabulary knows.
    """

    kind: Kind
    tokens: Sequence[str]
    scores: Sequence[float] | None = None
    types: Sequence[int] | None = None
    merges: Sequence[str] | None = None
    pre: str | None = None
    special: Mapping[str, int] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)
    chat_template: str | Mapping[str, str] | None = None
    charsmap: bytes | None = None
    token_type_count: int | None = None

    def __len__(self) -> int:
        return len(self.tokens)
