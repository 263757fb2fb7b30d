"""Log probabilities in the two shapes of OpenAI's API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub_runtime.engine import Token, Vocab


def chat_logprobs(tokens: Sequence[Token], vocab: Vocab) -> dict[str, Any]:
    """{"content": [{"token", "logprob", "bytes", "top_logprobs"}, ...]}; the token that ends the answer is left out."""
    shown = [token for token in tokens if token.logprob is not None and not vocab.ends(token.id)]
    return {
        "content": [
            _entry(vocab.piece(token.id, special=True), token.logprob)
            | {"top_logprobs": [_entry(other.piece, other.logprob) for other in token.top]}
            for token in shown
        ],
        "refusal": None,
    }


def _entry(piece: bytes, logprob: float | None) -> dict[str, Any]:
    return {"token": _text(piece), "logprob": logprob, "bytes": list(piece)}


def completion_logprobs(tokens: Sequence[Token], vocab: Vocab, offset: int) -> dict[str, Any]:
    """{"tokens", "token_logprobs", "top_logprobs", "text_offset"}; `offset` is where the first token's text begins."""
    shown = [token for token in tokens if token.logprob is not None and not vocab.ends(token.id)]
    texts = [_text(vocab.piece(token.id, special=True)) for token in shown]
    offsets = [offset + sum(map(len, texts[:i])) for i in range(len(texts))]
    return {
        "tokens": texts,
        "token_logprobs": [token.logprob for token in shown],
        "top_logprobs": [{_text(other.piece): other.logprob for other in token.top} for token in shown],
        "text_offset": offsets,
    }


def prompt_logprobs(first: int, scores: Sequence[Token], vocab: Vocab) -> dict[str, Any]:
    """The same for a prompt: its `first` token has no probability, the others have their `scores`."""
    ids = [first, *(token.id for token in scores)]
    shown = [_text(vocab.piece(token)) for token in ids]  # a BOS takes no place in the text
    return {
        "tokens": [_text(vocab.piece(token, special=True)) for token in ids],
        "token_logprobs": [None, *(token.logprob for token in scores)],
        "top_logprobs": [None, *({_text(other.piece): other.logprob for other in token.top} for token in scores)],
        "text_offset": [sum(map(len, shown[:i])) for i in range(len(ids))],
    }


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", "replace")
