"""SentencePiece's Unigram: T5's model file, or XLM-RoBERTa's tokenizer.json."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any

from hub.errors import DamagedFile
from hub.ir import Tokenizer, TokenType
from hub_safetensors.tokenizer._folder import NAMED, Folder
from hub_safetensors.tokenizer._identify import steps
from hub_safetensors.tokenizer._read_spm import Pieces, piece_table
from hub_safetensors.tokenizer._sentencepiece import ModelProto
from hub_safetensors.tokenizer._special import find_special


def read_unigram_model(folder: Folder, model: ModelProto) -> Tokenizer:
    """The tokenizer of a SentencePiece Unigram model, as T5 has it."""
    prefix, merged = model.add_dummy_prefix, model.remove_extra_whitespaces
    return _tokenizer(folder, piece_table(folder, model), prefix, merged, model.charsmap)


def read_unigram_json(folder: Folder) -> Tokenizer:
    """The tokenizer of a tokenizer.json with a Unigram model, as XLM-RoBERTa has it."""
    vocab = folder.model.get("vocab")
    if not isinstance(vocab, list) or not all(_is_entry(entry) for entry in vocab):
        raise DamagedFile("a vocabulary of tokens and scores was expected", file="tokenizer.json")
    pieces = Pieces.holes(max(folder.vocab_size or 0, len(vocab)))
    added = {token["id"]: token for token in folder.added()}
    unk, named = folder.model.get("unk_id"), {folder.named(name) for name in NAMED}
    for i, (text, score) in enumerate(vocab):
        is_control = text in named or added.get(i, {}).get("special")
        kind = TokenType.CONTROL if is_control else TokenType.USER_DEFINED if i in added else TokenType.NORMAL
        # The numbers are those of 32-bit floats, as everywhere else.
        pieces.put(i, text, float(score), TokenType.UNKNOWN if i == unk else kind)
    prefix = folder.tokenizer_config.get("add_prefix_space", True)
    merged = bool(folder.tokenizer_config.get("clean_up_tokenization_spaces", True))
    charsmap = _charsmap(folder.tokenizer.get("normalizer"))
    return _tokenizer(folder, pieces, bool(prefix), merged, charsmap, folder.config.get("type_vocab_size", 1))


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) and isinstance(entry[1], int | float)
    )


def _charsmap(normalizer: Any) -> bytes:
    for step in steps(normalizer, "normalizers"):
        if step.get("type") == "Precompiled":
            try:
                return b64decode(step.get("precompiled_charsmap") or "")
            except (NotBase64, TypeError, ValueError):
                raise DamagedFile("precompiled_charsmap is not base64", file="tokenizer.json") from None
    return b""


def _tokenizer(
    folder: Folder, pieces: Pieces, prefix: bool, merged: bool, charsmap: bytes, segments: int | None = None
) -> Tokenizer:
    special = find_special(folder, len(pieces.tokens))
    return Tokenizer(
        kind="unigram",
        tokens=pieces.tokens,
        scores=pieces.scores,
        types=pieces.types,
        pre="default",
        special=special.ids,
        flags={"add_space_prefix": prefix, "remove_extra_whitespaces": merged} | special.flags,
        chat_template=special.chat_template,
        charsmap=charsmap or None,
        token_type_count=segments,
    )
