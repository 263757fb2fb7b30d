"""BERT's WordPiece."""

from __future__ import annotations

from hub.ir import Tokenizer
from hub_safetensors.tokenizer._written import Json, Parts, vocabulary

# Ids of the special tokens in the vocabularies of BERT itself, which llama.cpp takes where none are stated.
DEFAULTS = {"cls": 101, "sep": 102, "unk": 100}
LONGEST_WORD = 100


def wordpiece_parts(tokenizer: Tokenizer) -> Parts:
    """The parts of a tokenizer.json."""
    cls = _token(tokenizer, "cls", "bos")
    sep = _token(tokenizer, "sep", "eos")
    return Parts(
        model={
            "type": "WordPiece",
            "unk_token": _token(tokenizer, "unk")[0],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": LONGEST_WORD,
            "vocab": vocabulary(tokenizer),
        },
        normalizer={
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": tokenizer.flags.get("strip_accents"),
            "lowercase": tokenizer.flags.get("lowercase", True),
        },
        pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor=_template(cls, sep),
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
    )


def _token(tokenizer: Tokenizer, *names: str) -> tuple[str, int]:
    i = next((tokenizer.special[name] for name in names if name in tokenizer.special), DEFAULTS[names[0]])
    i = min(i, len(tokenizer.tokens) - 1)
    return tokenizer.tokens[i], i


def _template(cls: tuple[str, int], sep: tuple[str, int]) -> Json:
    def special(token: tuple[str, int], segment: int) -> Json:
        return {"SpecialToken": {"id": token[0], "type_id": segment}}

    a: Json = {"Sequence": {"id": "A", "type_id": 0}}
    b: Json = {"Sequence": {"id": "B", "type_id": 1}}
    single = [special(cls, 0), a, special(sep, 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, b, special(sep, 1)],
        "special_tokens": {text: {"id": text, "ids": [i], "tokens": [text]} for text, i in (cls, sep)},
    }
