"""SentencePiece's BPE with scores, as tokenizer.json and as tokenizer.model."""

from __future__ import annotations

from collections.abc import Iterator

from hub.ir import Tokenizer, TokenType
from hub_safetensors.tokenizer._sentencepiece import ModelProto, Piece, serialize
from hub_safetensors.tokenizer._written import Json, Parts, holes, sequence, special_id, template, vocabulary

SPACE = "\u2581"
BYTE_FALLBACK = {f"<0x{value:02X}>" for value in range(256)}
MERGED = (TokenType.NORMAL, TokenType.UNUSED)
# What llama.cpp's script gives tokens that tokenizer_config.json adds; such are not in tokenizer.model.
ADDED_SCORE = -1000.0


def spm_parts(tokenizer: Tokenizer) -> Parts:
    """The parts of a tokenizer.json that give llama.cpp's ids."""
    prefix = tokenizer.flags.get("add_space_prefix", True)
    prepend: list[Json] = [{"type": "Prepend", "prepend": SPACE}] if prefix else []
    escape: Json = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    return Parts(
        model=_model(tokenizer),
        normalizer=sequence("normalizers", [*prepend, escape]),
        post_processor=template(tokenizer, tokenizer.flags.get("add_bos", True), tokenizer.flags.get("add_eos", False)),
        decoder=spaces_back(prefix),
    )


def spaces_back(prefix: bool) -> Json:
    """The decoder that turns U+2581 into spaces and byte tokens into bytes; `prefix`: a first space was added."""
    steps: list[Json] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    strip: Json = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    return {"type": "Sequence", "decoders": [*steps, strip] if prefix else steps}


def _model(tokenizer: Tokenizer) -> Json:
    vocab = vocabulary(tokenizer)
    unk = special_id(tokenizer, "unk", 0)
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": tokenizer.tokens[unk],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": vocab.keys() >= BYTE_FALLBACK,
        "ignore_merges": False,
        "vocab": vocab,
        "merges": merges_by_score(tokenizer, vocab),
    }


def merges_by_score(tokenizer: Tokenizer, vocab: dict[str, int]) -> list[tuple[str, str]]:
    """Every pair of tokens that makes a token, in the order in which llama.cpp's SPM tokenizer would join them.

    That is by falling score of the result; where scores are equal, by its id.
    """
    types, scores = tokenizer.types, tokenizer.scores
    joined = {t: i for t, i in vocab.items() if types is None or types[i] in MERGED}
    order = sorted(joined.values(), key=lambda i: (-scores[i], i)) if scores else sorted(joined.values())
    return [pair for i in order for pair in _halves(tokenizer.tokens[i], joined)]


def _halves(token: str, vocab: dict[str, int]) -> Iterator[tuple[str, str]]:
    pairs = [(token[:at], token[at:]) for at in range(1, len(token))]
    whole = [(a, b) for a, b in pairs if a in vocab and b in vocab]
    yield from sorted(whole, key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))


def model_file(tokenizer: Tokenizer) -> bytes:
    """tokenizer.model: SentencePiece's own file, from which llama.cpp's script takes scores and types."""
    pieces = set(range(len(tokenizer.tokens))) - holes(tokenizer)
    n = 1 + max((i for i in pieces if not _is_late(tokenizer, i)), default=-1)
    flags, special, is_bpe = tokenizer.flags, tokenizer.special, tokenizer.kind == "spm"
    unk = special_id(tokenizer, "unk", 0)
    return serialize(
        ModelProto(
            pieces=[_piece(tokenizer, i, unk) for i in range(n)],
            model_type=2 if is_bpe else 1,
            byte_fallback=list(tokenizer.types or ()).count(TokenType.BYTE) == len(BYTE_FALLBACK),
            unk_id=unk,
            bos_id=special.get("bos", -1),
            eos_id=special.get("eos", -1),
            pad_id=special.get("pad", -1),
            charsmap=tokenizer.charsmap or b"",
            add_dummy_prefix=flags.get("add_space_prefix", is_bpe),
            remove_extra_whitespaces=flags.get("remove_extra_whitespaces", False),
        )
    )


def _is_late(tokenizer: Tokenizer, i: int) -> bool:
    added = tokenizer.types is not None and tokenizer.types[i] in (TokenType.CONTROL, TokenType.USER_DEFINED)
    return added and tokenizer.scores is not None and tokenizer.scores[i] == ADDED_SCORE


def _piece(tokenizer: Tokenizer, i: int, unk: int) -> Piece:
    """Piece `i`; SentencePiece wants one unknown piece, no fewer and no more."""
    score = tokenizer.scores[i] if tokenizer.scores is not None else 0.0
    kind = int(tokenizer.types[i]) if tokenizer.types is not None else int(TokenType.NORMAL)
    if i == unk:
        kind = int(TokenType.UNKNOWN)
    elif kind in (TokenType.UNKNOWN, TokenType.UNDEFINED):
        kind = int(TokenType.UNUSED)
    return Piece(tokenizer.tokens[i], score, kind)
