"""The tokenizer: flat `tokenizer.*` keys that the inference loader reads, and what they cannot say."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.errors import DamagedFile
from hub.ir import Tokenizer
from hub_apr import _blocks
from hub_apr._shapes import Check, either, items, of, one_of, opt, require, values

# kind: (what a GGUF calls it, what the inference loader tells kinds by)
_MODELS = {"bpe": ("gpt2", "BPE"), "spm": ("llama", "SentencePiece"), "unigram": ("t5", "Unigram"),
           "wordpiece": ("bert", "WordPiece")}  # fmt: skip
_KINDS = {"gpt2": "bpe", "bpe": "bpe", "llama": "spm", "spm": "spm", "sentencepiece": "spm", "unigram": "unigram",
          "t5": "unigram", "bert": "wordpiece", "wordpiece": "wordpiece"}  # fmt: skip

_IDS = {"bos": "tokenizer.bos_token_id", "eos": "tokenizer.eos_token_id", "pad": "tokenizer.padding_token_id"}
_SPECIAL = ("bos", "eos", "unk", "pad")
_LISTS = {"tokens": "tokenizer.vocabulary", "merges": "tokenizer.merges", "scores": "tokenizer.scores",
          "types": "tokenizer.token_type"}  # fmt: skip
OWN = "hub.tokenizer"

_TEXT, _INT = of(str), of(int)
_REST: dict[str, Check] = {
    "kind": one_of(_MODELS), "pre": opt(_TEXT), "special": values(_INT), "flags": values(of(bool)),
    "token_type_count": opt(_INT), "charsmap": opt(_TEXT),
}  # fmt: skip
_FIELDS: dict[str, Check] = {
    "tokens": items(_TEXT), "merges": opt(items(_TEXT)), "scores": opt(items(of(int, float))),
    "types": opt(items(_INT)), "chat_template": opt(either(_TEXT, values(_TEXT))),
}  # fmt: skip


def tokenizer_keys(tokenizer: Tokenizer) -> dict[str, Any]:
    """The metadata keys that hold `tokenizer`: the loader's, and `hub.tokenizer` for what those cannot say.

    A list that JSON cannot hold as it is (unpaired surrogates, scores that are not finite) is in `hub.tokenizer` too.
    """
    model, model_type = _MODELS[tokenizer.kind]
    keys: dict[str, Any] = {"tokenizer.model": model, "tokenizer.model_type": model_type}
    if tokenizer.pre is not None:
        keys["tokenizer.pre_type"] = tokenizer.pre
    keys |= {key: tokenizer.special[name] for name, key in _IDS.items() if name in tokenizer.special}
    if "add_bos" in tokenizer.flags:
        keys["tokenizer.add_bos_token"] = tokenizer.flags["add_bos"]
    keys |= _template(tokenizer.chat_template) | _special_tokens(tokenizer)
    keys["tokenizer.vocab_size"] = len(tokenizer.tokens)
    lists, odd = _lists(tokenizer)
    return keys | lists | {OWN: _blocks.pack(_rest(tokenizer) | odd)}


def _template(template: str | Mapping[str, str] | None) -> dict[str, Any]:
    text = template if isinstance(template, str) or template is None else template.get("default")
    return {"chat_template": _clean(text), "tokenizer.chat_template": _clean(text)} if text else {}


def _template_says_all(template: str | Mapping[str, str] | None) -> bool:
    return isinstance(template, str) and template != "" and _clean(template) == template


def _special_tokens(tokenizer: Tokenizer) -> dict[str, Any]:
    ids = {f"{name}_token": tokenizer.special.get(name, -1) for name in _SPECIAL}
    named = {key: _clean(tokenizer.tokens[i]) for key, i in ids.items() if 0 <= i < len(tokenizer.tokens)}
    return {"special_tokens": named} if named else {}


def _rest(tokenizer: Tokenizer) -> dict[str, Any]:
    """Every field but the lists; the chat template only where its own key does not say all of it."""
    charsmap, template = tokenizer.charsmap, tokenizer.chat_template
    return {
        "kind": tokenizer.kind,
        "pre": tokenizer.pre,
        "special": dict(tokenizer.special),
        "flags": dict(tokenizer.flags),
        "charsmap": None if charsmap is None else base64.b64encode(charsmap).decode(),
        "token_type_count": tokenizer.token_type_count,
    } | ({} if _template_says_all(template) else {"chat_template": template})


def _lists(tokenizer: Tokenizer) -> tuple[dict[str, Any], dict[str, Any]]:
    """The long lists under the loader's keys, and those of them that must also be kept exactly."""
    lists: dict[str, Any] = {}
    odd: dict[str, Any] = {}
    for name in ("tokens", "merges"):
        words = getattr(tokenizer, name)
        if words is not None:
            lists[_LISTS[name]] = clean = [_clean(word) for word in words]
            odd |= {name: list(words)} if clean != list(words) else {}
    if tokenizer.scores is not None:
        lists |= _scores(tokenizer.scores, odd)
    if tokenizer.types is not None:
        lists[_LISTS["types"]] = [int(kind) for kind in tokenizer.types]
    return lists, odd


def _scores(scores: Sequence[float], odd: dict[str, Any]) -> dict[str, Any]:
    """Scores in the fewest digits that tell float32 values apart, where they are float32 values."""
    exact = [float(score) for score in scores]
    if not all(map(math.isfinite, exact)):
        odd["scores"] = exact
        return {}
    narrow = _narrow(exact)
    if not np.array_equal(narrow.astype(np.float64), exact):
        return {_LISTS["scores"]: exact}
    odd["score_type"] = "float32"
    return {_LISTS["scores"]: [float(str(score)) for score in narrow]}


def _narrow(scores: Sequence[float]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.array(scores, np.float32)


def _clean(text: str) -> str:
    """`text` with a question mark for each half of a surrogate pair, which UTF-8 cannot hold."""
    return text.encode(errors="replace").decode()


def own_tokenizer(metadata: Mapping[str, Any], file: Path) -> Tokenizer:
    """The tokenizer that `tokenizer_keys` wrote, exactly as it was; `DamagedFile` when the keys do not fit."""
    rest: dict[str, Any] = require(_blocks.unpack(metadata[OWN], OWN, file), _REST, OWN, file)
    told = {**rest, **{name: rest.get(name, metadata.get(key)) for name, key in _LISTS.items()}}
    told["chat_template"] = rest.get("chat_template", metadata.get("tokenizer.chat_template"))
    require(told, _FIELDS, OWN, file)
    if rest.get("score_type") == "float32":
        told["scores"] = _narrow(told["scores"] or []).astype(np.float64).tolist()
    try:
        charsmap = None if rest["charsmap"] is None else base64.b64decode(rest["charsmap"], validate=True)
    except ValueError as error:
        raise DamagedFile(f"metadata {OWN!r}: 'charsmap' is no base64: {error}", file=file) from None
    fields = {name: told[name] for name in (*_FIELDS, "kind", "pre", "special", "flags", "token_type_count")}
    return Tokenizer(**fields, charsmap=charsmap)


def foreign_tokenizer(metadata: Mapping[str, Any]) -> Tokenizer | None:
    """The tokenizer that other programs' keys say; None when there is no vocabulary.

    Values of another type count as absent, as the inference loader has it. Lists of different lengths and ids that no
    token has are passed on: `hub check` names them.
    """
    tokens = _items(metadata, _LISTS["tokens"], str)
    if not tokens:
        return None
    merges = _items(metadata, _LISTS["merges"], str)
    scores = [float(x) for x in _items(metadata, _LISTS["scores"], (int, float))]
    types = _items(metadata, _LISTS["types"], int)
    told = str(metadata.get("tokenizer.model_type") or metadata.get("tokenizer.model") or "").lower()
    kind = _KINDS.get(told, "bpe" if merges else "spm")
    ids = {name: metadata.get(key) for name, key in _IDS.items()}
    add_bos, pre = metadata.get("tokenizer.add_bos_token"), metadata.get("tokenizer.pre_type")
    template = metadata.get("chat_template") or metadata.get("tokenizer.chat_template")
    return Tokenizer(
        kind=kind,  # type: ignore[arg-type]  # one of the table's values
        tokens=tokens,
        scores=scores or None,
        types=types or None,
        merges=merges or None,
        pre=pre if isinstance(pre, str) else None,
        special={name: i for name, i in ids.items() if type(i) is int and i >= 0},
        flags={"add_bos": add_bos} if isinstance(add_bos, bool) else {},
        chat_template=template if isinstance(template, str) else None,
    )


def _items(metadata: Mapping[str, Any], key: str, kind: type | tuple[type, ...]) -> list[Any]:
    """The items of the list under `key` that are of `kind`, as the inference loader takes them."""
    value = metadata.get(key)
    return [item for item in value if isinstance(item, kind)] if isinstance(value, list) else []
