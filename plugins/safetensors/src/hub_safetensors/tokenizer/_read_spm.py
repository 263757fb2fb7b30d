"""SentencePiece's BPE: tokenizer.model, and what other files add to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hub.errors import DamagedFile
from hub.ir import Tokenizer, TokenType
from hub_safetensors.tokenizer._control import looks_special
from hub_safetensors.tokenizer._folder import Folder, bounded
from hub_safetensors.tokenizer._read_words import LLAMA_FAMILY, SPACE, llama_flags, read_vocabulary
from hub_safetensors.tokenizer._sentencepiece import ModelProto
from hub_safetensors.tokenizer._special import Special, find_special
from hub_safetensors.tokenizer._write_spm import ADDED_SCORE, BYTE_FALLBACK

HOLE_SCORE = -10000.0
# Families that never put a space before a text.
GEMMA_FAMILY = ("gemma", "gemma2", "gemma3", "gemma3_text", "gemma3n", "gemma3n_text")
GEMMA_EOT = 107
# SentencePiece's types are llama.cpp's, save that the script does not look for user-defined pieces.
PIECE_TYPES = {4: TokenType.NORMAL}


@dataclass
class Pieces:
    """Tokens, scores and types side by side, all holes at first."""

    tokens: list[str]
    scores: list[float]
    types: list[int]

    @classmethod
    def holes(cls, n: int) -> Pieces:
        """`n` ids without a token."""
        return cls([f"[PAD{i}]" for i in range(n)], [HOLE_SCORE] * n, [int(TokenType.UNUSED)] * n)

    def put(self, i: int, token: str, score: float, kind: int) -> None:
        """Make token `i`; ids outside the model's vocabulary are left out, as by the script."""
        if i < len(self.tokens):
            self.tokens[i], self.scores[i], self.types[i] = token, score, int(kind)


def piece_table(folder: Folder, model: ModelProto) -> Pieces:
    """The model file's pieces and the tokens of added_tokens.json."""
    pieces = Pieces.holes(folder.vocab_size or len(model.pieces))
    for i, piece in enumerate(model.pieces):
        pieces.put(i, piece.text, piece.score, PIECE_TYPES.get(piece.type, piece.type))
    for text, i in folder.json("added_tokens.json").items():
        if type(i) is not int or i < 0:
            raise DamagedFile(f"the id of {text!r} is {i!r}", file="added_tokens.json")
        pieces.put(i, text, ADDED_SCORE, TokenType.USER_DEFINED)
    return pieces


def read_piece_model(folder: Folder, model: ModelProto) -> Tokenizer:
    """The tokenizer of a SentencePiece BPE model and the folder around it."""
    pieces = piece_table(folder, model)
    for i, token in _added(folder):
        pieces.put(i, *_added_piece(folder, token))
    return _tokenizer(folder, pieces)


def read_scoreless(folder: Folder) -> Tokenizer:
    """The same from a tokenizer.json alone, which has merges and no scores.

    Scores are made from the merges' order, so that llama.cpp joins the same pieces; the script gives all tokens the
    same score here, with which llama.cpp does not.
    """
    vocabulary = read_vocabulary(folder)
    pieces = Pieces.holes(
        bounded(max(folder.vocab_size or 0, 1 + max(vocabulary.tokens, default=-1)), "tokenizer.json")
    )
    scores = _merge_scores(folder.model.get("merges") or [])
    kinds = dict.fromkeys(BYTE_FALLBACK, TokenType.BYTE) | {folder.model.get("unk_token"): TokenType.UNKNOWN}
    for i, token in vocabulary.tokens.items():
        pieces.put(i, token, scores.get(token, ADDED_SCORE), kinds.get(token, TokenType.NORMAL))
    for i, added in vocabulary.added.items():
        pieces.put(i, *_added_piece(folder, added))
    return _tokenizer(folder, pieces)


def _merge_scores(merges: list[Any]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for rank, merge in enumerate(merges):
        joined = merge.replace(" ", "", 1) if isinstance(merge, str) else "".join(map(str, merge))
        scores.setdefault(joined, -float(rank + 1))
    return scores


def _added(folder: Folder) -> Iterator[tuple[int, dict[str, Any]]]:
    yield from folder.added_in_config()
    if folder.family == "phi3":
        yield from ((token["id"], token) for token in folder.added())


def _added_piece(folder: Folder, token: dict[str, Any]) -> tuple[str, float, int]:
    text = token["content"]
    by_text = looks_special(text) and folder.family != "phi3"
    if token.get("special") or by_text:
        return text, ADDED_SCORE, TokenType.CONTROL
    return text if folder.family == "phi3" else text.replace(SPACE, " "), ADDED_SCORE, TokenType.USER_DEFINED


def _tokenizer(folder: Folder, pieces: Pieces) -> Tokenizer:
    special = find_special(folder, len(pieces.tokens))
    _family_rules(folder, special)
    return Tokenizer(
        kind="spm",
        tokens=pieces.tokens,
        scores=pieces.scores,
        types=pieces.types,
        pre="default",
        special=special.ids,
        flags=special.flags,
        chat_template=special.chat_template,
    )


def _family_rules(folder: Folder, special: Special) -> None:
    if folder.family in LLAMA_FAMILY:
        llama_flags(folder, special.flags, special.ids)
    if folder.family in GEMMA_FAMILY:
        special.flags["add_space_prefix"] = False
    if folder.family == "gemma":
        special.ids.setdefault("eot", GEMMA_EOT)
