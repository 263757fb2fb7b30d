"""The tokenizer in a GGUF's keys, and back.

The keys are those of the GGUF specification and of llama.cpp's `llama_vocab::load`; the order of writing is that of its
conversion script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from hub.errors import DamagedFile
from hub.ir import Tokenizer, TokenType
from hub.ir._tokenizer import Kind
from hub_gguf.container import NestedArray, NumberArray, StringArray, Value, ValueType

T = TypeVar("T", str, int, bool)

PREFIX = "tokenizer.ggml."
TEMPLATE = "tokenizer.chat_template"

# tokenizer.ggml.model, and the canonical kind of what it holds.
KINDS: dict[str, Kind] = {
    "gpt2": "bpe",
    "gemma4": "bpe",
    "whitespace": "bpe",
    "llama": "spm",
    "t5": "unigram",
    "bert": "wordpiece",
}
NO_TOKENIZER = ("no_vocab", "none", str(None))
# Models that name their pre-tokenizer by what they are.
IMPLIED_PRE = {"gemma4": "gemma4", "whitespace": "whitespace"}

# Canonical name of a special token, and its key; "seperator" is spelled so in the format.
SPECIAL: dict[str, str] = {
    "bos": "bos_token_id",
    "eos": "eos_token_id",
    "unk": "unknown_token_id",
    "sep": "seperator_token_id",
    "pad": "padding_token_id",
    "cls": "cls_token_id",
    "mask": "mask_token_id",
    "eot": "eot_token_id",
    "eom": "eom_token_id",
    "fim_pre": "fim_pre_token_id",
    "fim_suf": "fim_suf_token_id",
    "fim_mid": "fim_mid_token_id",
    "fim_pad": "fim_pad_token_id",
    "fim_rep": "fim_rep_token_id",
    "fim_sep": "fim_sep_token_id",
}
# Keys of older files for the same facts.
OLD_SPECIAL = {"fim_pre": "prefix_token_id", "fim_suf": "suffix_token_id", "fim_mid": "middle_token_id"}

FLAGS: dict[str, str] = {
    "add_space_prefix": "add_space_prefix",
    "remove_extra_whitespaces": "remove_extra_whitespaces",
    "add_bos": "add_bos_token",
    "add_eos": "add_eos_token",
    "add_sep": "add_sep_token",
    "lowercase": "normalizer.lowercase",
    "strip_accents": "normalizer.strip_accents",
}

# llama.cpp's mark of the first piece of a word in a WordPiece vocabulary.
PHANTOM = "\u2581"
CONTINUATION = "##"


def read_tokenizer(kv: Mapping[str, Any]) -> Tokenizer | None:
    """The tokenizer that a GGUF's keys describe; None for a model without one, or with one of a kind not in `KINDS`.

    Such a tokenizer (rwkv, plamo2, hybriddna) has no canonical form: its keys are carried as they are, like others that
    nobody reads. `kv` holds plain values; arrays may be lazy and stay so, except for WordPiece's tokens. Raises
    `DamagedFile` for arrays of unequal length.
    """
    model = kv.get(PREFIX + "model")
    if not isinstance(model, str) or model not in KINDS:
        return None
    tokens = _array(kv, "tokens", NumberArray)
    if tokens is None:
        raise DamagedFile(f"there is a tokenizer model {model!r} and no {PREFIX}tokens")
    special = _stated(kv, OLD_SPECIAL, int) | _stated(kv, SPECIAL, int)
    types = _array(kv, "token_type", StringArray, len(tokens))
    charsmap = _array(kv, "precompiled_charsmap", StringArray)
    return Tokenizer(
        kind=KINDS[model],
        tokens=_with_continuations(tokens, types, special) if model == "bert" else tokens,
        scores=_array(kv, "scores", StringArray, len(tokens)),
        types=types,
        merges=_array(kv, "merges", NumberArray),
        pre=_scalar(kv, PREFIX + "pre", str) or IMPLIED_PRE.get(model),
        special=special,
        flags=_stated(kv, FLAGS, bool),
        chat_template=_chat_template(kv),
        charsmap=None if charsmap is None else bytes(value & 0xFF for value in charsmap),
        token_type_count=_scalar(kv, PREFIX + "token_type_count", int),
    )


def unread_tokenizer(kv: Mapping[str, Any]) -> str | None:
    """What to say about a tokenizer that `read_tokenizer` leaves out; None when it leaves out none."""
    model = str(kv.get(PREFIX + "model"))
    if model in KINDS or model in NO_TOKENIZER:
        return None
    return f"the tokenizer is of the kind {model!r}, which other formats cannot hold: its keys are carried as they are"


def tokenizer_keys(tokenizer: Tokenizer) -> dict[str, Value]:
    """The GGUF keys that hold `tokenizer`, in the order in which llama.cpp's conversion script writes them."""
    keys = dict(_vocabulary(tokenizer))
    keys |= {SPECIAL[name]: Value(ValueType.UINT32, i) for name, i in tokenizer.special.items() if name in SPECIAL}
    keys |= {FLAGS[name]: Value(ValueType.BOOL, on) for name, on in tokenizer.flags.items() if name in FLAGS}
    return {PREFIX + key: value for key, value in keys.items()} | dict(_templates(tokenizer.chat_template))


def _model_name(tokenizer: Tokenizer) -> str:
    """What `tokenizer.ggml.model` says for `tokenizer`."""
    if tokenizer.kind == "bpe" and tokenizer.pre == "whitespace":
        return "whitespace"
    # Other models that share Gemma 4's pre-tokenizer are written as gpt2 with its name, and have no scores.
    if tokenizer.kind == "bpe" and tokenizer.pre == "gemma4" and tokenizer.scores is not None:
        return "gemma4"
    return {kind: model for model, kind in reversed(KINDS.items())}[tokenizer.kind]


def _vocabulary(tokenizer: Tokenizer) -> Iterator[tuple[str, Value]]:
    if tokenizer.token_type_count is not None:
        yield "token_type_count", Value(ValueType.UINT32, tokenizer.token_type_count)
    model = _model_name(tokenizer)
    yield "model", Value(ValueType.STRING, model)
    if tokenizer.pre is not None and model != "gemma4":
        yield "pre", Value(ValueType.STRING, tokenizer.pre)
    phantom = tokenizer.kind == "wordpiece"
    yield "tokens", Value.array(ValueType.STRING, _with_phantoms(tokenizer) if phantom else tokenizer.tokens)
    if tokenizer.scores is not None:
        yield "scores", Value.array(ValueType.FLOAT32, tokenizer.scores)
    if tokenizer.types is not None:
        yield "token_type", Value.array(ValueType.INT32, tokenizer.types)
    if tokenizer.charsmap:
        yield "precompiled_charsmap", Value.array(ValueType.UINT8, list(tokenizer.charsmap))
    if tokenizer.merges:
        yield "merges", Value.array(ValueType.STRING, tokenizer.merges)


def _scalar(kv: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
    value = kv.get(key)
    if value is not None and type(value) is not kind:
        raise DamagedFile(f"{key} is {str(value)[:40]!r}, {kind.__name__} was expected")
    return value


def _stated(kv: Mapping[str, Any], names: Mapping[str, str], kind: type[T]) -> dict[str, T]:
    """What `kv` states under `names`, in the order of the file."""
    back = {PREFIX + key: name for name, key in names.items()}
    found = {back[key]: _scalar(kv, key, kind) for key in kv if key in back}
    return {name: value for name, value in found.items() if value is not None}


def _array(kv: Mapping[str, Any], key: str, wrong: type, n: int | None = None) -> Sequence[Any] | None:
    """The array under `key`, of `n` elements where that is given, and not of the `wrong` class."""
    values = kv.get(PREFIX + key)
    if values is None:
        return None
    if not isinstance(values, Sequence) or isinstance(values, str | NestedArray | wrong):
        raise DamagedFile(f"{PREFIX}{key} is not an array of what it should hold")
    if n is not None and len(values) != n:
        raise DamagedFile(f"{PREFIX}{key} has {len(values)} elements, {PREFIX}tokens has {n}")
    return values


def _control(types: Sequence[int] | None, special: Mapping[str, int], n: int) -> list[bool]:
    """Which tokens stand for themselves; the special ids when no types are given."""
    if types is not None:
        return [kind == TokenType.CONTROL for kind in types]
    return [i in special.values() for i in range(n)]


def _with_continuations(tokens: Sequence[str], types: Sequence[int] | None, special: Mapping[str, int]) -> list[str]:
    """WordPiece tokens as Hugging Face writes them, `##` before what continues a word."""
    control = _control(types, special, len(tokens))
    pairs = zip(tokens, control, strict=True)
    return [t if own else t[1:] if t.startswith(PHANTOM) else CONTINUATION + t for t, own in pairs]


def _with_phantoms(tokenizer: Tokenizer) -> list[str]:
    """WordPiece tokens as llama.cpp wants them, U+2581 before what starts a word."""
    control = _control(tokenizer.types, tokenizer.special, len(tokenizer.tokens))
    pairs = zip(tokenizer.tokens, control, strict=True)
    return [t if own else t[2:] if t.startswith(CONTINUATION) else PHANTOM + t for t, own in pairs]


def _chat_template(kv: Mapping[str, Any]) -> str | dict[str, str] | None:
    default = _scalar(kv, TEMPLATE, str)
    names = kv.get(TEMPLATE + "s")
    listed = [f"{TEMPLATE}.{name}" for name in names] if isinstance(names, Sequence) else []
    there = [key for key in kv if key.startswith(TEMPLATE + ".")]
    named = {key[len(TEMPLATE) + 1 :]: _scalar(kv, key, str) or "" for key in (*listed, *there) if key in kv}
    if not named:
        return default
    return named if default is None else {"default": default, **named}


def _templates(template: str | Mapping[str, str] | None) -> Iterator[tuple[str, Value]]:
    if template is None:
        return
    named = {"default": template} if isinstance(template, str) else dict(template)
    default = named.pop("default", None)
    for name, text in named.items():
        yield f"{TEMPLATE}.{name}", Value(ValueType.STRING, text)
    if named:
        yield TEMPLATE + "s", Value.array(ValueType.STRING, list(named))
    if default is not None:
        yield TEMPLATE, Value(ValueType.STRING, default)
