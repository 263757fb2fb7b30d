"""SentencePiece's Unigram."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from hub.ir import Tokenizer
from hub_safetensors.tokenizer._write_spm import SPACE
from hub_safetensors.tokenizer._written import Json, Parts, holes, sequence, special_id, template

# The unknown token where none is stated, as in T5.
DEFAULT_UNK = 2


def unigram_parts(tokenizer: Tokenizer) -> Parts:
    """The parts of a tokenizer.json that give llama.cpp's ids."""
    flags = tokenizer.flags
    prefix = flags.get("add_space_prefix", False) or flags.get("remove_extra_whitespaces", False)
    space: Json = {
        "type": "Metaspace",
        "replacement": SPACE,
        "prepend_scheme": "always" if prefix else "never",
        "split": False,
    }
    n = 1 + max(set(range(len(tokenizer.tokens))) - holes(tokenizer), default=-1)
    scores = tokenizer.scores or [0.0] * n
    return Parts(
        model={
            "type": "Unigram",
            "unk_id": special_id(tokenizer, "unk", min(DEFAULT_UNK, n - 1)),
            "vocab": [list(pair) for pair in zip(tokenizer.tokens[:n], scores[:n], strict=True)],
            "byte_fallback": False,
        },
        normalizer=sequence("normalizers", list(_normalizers(tokenizer))),
        pre_tokenizer=space,
        post_processor=template(tokenizer, flags.get("add_bos", False), flags.get("add_eos", True)),
        decoder=space,
    )


def _normalizers(tokenizer: Tokenizer) -> Iterator[Json]:
    if tokenizer.charsmap:
        yield {"type": "Precompiled", "precompiled_charsmap": b64encode(tokenizer.charsmap).decode()}
    if tokenizer.flags.get("remove_extra_whitespaces", False):
        yield _replace("^ +| +$", "")
        yield _replace(" {2,}", " ")


def _replace(pattern: str, content: str) -> Json:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}
