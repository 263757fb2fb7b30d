"""Which of llama.cpp's pre-tokenizers a tokenizer.json is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hub_safetensors.tokenizer import _regexes as known
from hub_safetensors.tokenizer._hashes import CHECK_TEXT, name_of
from hub_safetensors.tokenizer._pretokenizers import PRE_TOKENIZERS

# Ways in which tokenizer.json files write what the tables write differently.
SAME = (
    ("(?i:'s|'t|'re|'ve|'m|'ll|'d)", known.CONTRACTIONS),
    ("(?i:[sdmt]|ll|ve|re)", "(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])"),
    (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+", r"[\p{L}&&[^a-z]]*[\p{L}&&[^A-Z]]+"),
    (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*", r"[\p{L}&&[^a-z]]+[\p{L}&&[^A-Z]]*"),
    ("?+", "?"),
    ("++", "+"),
)
# Steps that are regular expressions under other names.
PUNCTUATION = {"Contiguous": known.FALCON_PUNCTUATION}


def identify(tokenizer: dict[str, Any], backend: Any, family: str | None = None) -> str | None:
    """llama.cpp's name of the pre-tokenizer; None when neither its result nor its rules are known.

    `tokenizer` is tokenizer.json, `backend` the same loaded by the package `tokenizers`, `family` the `model_type`:
    of names with the same rules the one of the family is taken.
    """
    try:
        name = name_of(backend.encode(CHECK_TEXT).ids)
    except Exception:  # what the package raises for text that a vocabulary cannot encode
        name = None
    return name or _by_rules(tokenizer, str(family))


def _by_rules(tokenizer: dict[str, Any], family: str) -> str | None:
    splits = tuple(_splits(tokenizer.get("pre_tokenizer")))
    ignore_merges = bool(tokenizer.get("model", {}).get("ignore_merges"))
    nfc = any(step.get("type") == "NFC" for step in steps(tokenizer.get("normalizer"), "normalizers"))
    alike = {
        name: rules
        for name, rules in PRE_TOKENIZERS.items()
        if rules.byte_level and rules.splits == splits and rules.ignore_merges == ignore_merges
    }
    order = sorted(alike, key=lambda name: (alike[name].nfc != nfc, not family.startswith(name)))
    return order[0] if order else None


def steps(part: Any, key: str) -> Iterator[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, sequences taken apart."""
    if not isinstance(part, dict):
        return
    if part.get("type") == "Sequence":
        for step in part.get(key) or ():
            yield from steps(step, key)
    else:
        yield part


def _splits(part: Any) -> Iterator[str]:
    for step in steps(part, "pretokenizers"):
        yield from _regexes(step)


def _regexes(step: dict[str, Any]) -> Iterator[str]:
    kind = step.get("type")
    if kind == "Split":
        yield _same(step)
    elif kind == "Digits":
        yield known.DIGIT if step.get("individual_digits") else known.DIGITS
    elif kind == "Punctuation":
        yield PUNCTUATION.get(str(step.get("behavior")), "(unknown punctuation)")
    elif kind == "ByteLevel":
        if step.get("use_regex", True):
            yield known.GPT2
    else:
        yield f"(unknown {kind})"


def _same(step: dict[str, Any]) -> str:
    pattern = step.get("pattern") or {}
    text = str(pattern["Regex"]) if "Regex" in pattern else re.escape(str(pattern.get("String")))
    for theirs, ours in SAME:
        text = text.replace(theirs, ours)
    return text
