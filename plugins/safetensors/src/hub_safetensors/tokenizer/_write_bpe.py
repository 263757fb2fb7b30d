"""BPE over words, in the byte-level alphabet or in plain Unicode."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hub.errors import MissingFact
from hub.ir import Tokenizer
from hub_safetensors.tokenizer._pretokenizers import PRE_TOKENIZERS, PreTokenizer
from hub_safetensors.tokenizer._write_spm import BYTE_FALLBACK, spaces_back
from hub_safetensors.tokenizer._written import Json, Parts, sequence, special_id, template, vocabulary

HINT = "name it with --pre NAME"

# What tokenizers passes over among merges that are texts: once the first line of merges.txt.
_COMMENT = re.compile("#version")


def pre_tokenizer_of(tokenizer: Tokenizer) -> PreTokenizer:
    """The rules that `tokenizer.pre` names; `MissingFact` when it names none that is known."""
    if tokenizer.pre is None:
        raise MissingFact("the source does not say how text is split before BPE (the pre-tokenizer)", hint=HINT)
    if tokenizer.pre not in PRE_TOKENIZERS:
        raise MissingFact(f"the pre-tokenizer {tokenizer.pre!r} is not known", hint=HINT)
    return PRE_TOKENIZERS[tokenizer.pre]


def bpe_parts(tokenizer: Tokenizer) -> Parts:
    """The parts of a tokenizer.json that give llama.cpp's ids."""
    rules = pre_tokenizer_of(tokenizer)
    bos, eos = tokenizer.flags.get("add_bos", rules.add_bos), tokenizer.flags.get("add_eos", False)
    return Parts(
        model=_model(tokenizer, rules),
        normalizer=sequence("normalizers", list(_normalizers(tokenizer, rules))),
        pre_tokenizer=sequence("pretokenizers", list(_splits(rules))),
        post_processor=template(tokenizer, bos, eos),
        decoder=byte_level() if rules.byte_level else spaces_back(prefix=False),
    )


def byte_level() -> Json:
    """The step that turns bytes into the byte-level alphabet; as a decoder, back."""
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}


def split(pattern: str) -> Json:
    """The step that makes a piece of each match and of what lies between matches."""
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _normalizers(tokenizer: Tokenizer, rules: PreTokenizer) -> Iterator[Json]:
    if rules.nfc:
        yield {"type": "NFC"}
    if tokenizer.flags.get("strip_accents"):
        yield from ({"type": "NFD"}, {"type": "StripAccents"})
    if tokenizer.flags.get("lowercase"):
        yield {"type": "Lowercase"}
    if not rules.byte_level and rules.space:
        yield {"type": "Replace", "pattern": {"String": " "}, "content": rules.space}


def _splits(rules: PreTokenizer) -> Iterator[Json]:
    if rules.space is None:
        yield {"type": "WhitespaceSplit"}
    yield from map(split, rules.splits)
    if rules.byte_level:
        yield byte_level()


def _model(tokenizer: Tokenizer, rules: PreTokenizer) -> Json:
    vocab = vocabulary(tokenizer)
    unk = special_id(tokenizer, "unk", -1)
    falls_back = not rules.byte_level and vocab.keys() >= BYTE_FALLBACK
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None if rules.byte_level or unk < 0 else tokenizer.tokens[unk],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": falls_back,
        "byte_fallback": falls_back,
        "ignore_merges": rules.ignore_merges,
        "vocab": vocab,
        "merges": _merges(tokenizer, vocab),
    }


def _merges(tokenizer: Tokenizer, vocab: dict[str, int]) -> list[str] | list[tuple[str, str]]:
    """The merges as "left right", which every version of tokenizers reads, or as pairs where that would be read amiss.

    Those whose parts or result are no tokens cannot be written.
    """
    kept = [
        merge
        for merge in dict.fromkeys(tokenizer.merges or ())
        if (at := merge.find(" ", 1)) > 0
        and (a := merge[:at]) in vocab
        and (b := merge[at + 1 :]) in vocab
        and a + b in vocab
    ]
    amiss = "".join(kept).count(" ") > len(kept) or any(map(_COMMENT.match, kept))
    return [_pair(merge) for merge in kept] if amiss else kept


def _pair(merge: str) -> tuple[str, str]:
    at = merge.find(" ", 1)
    return merge[:at], merge[at + 1 :]
