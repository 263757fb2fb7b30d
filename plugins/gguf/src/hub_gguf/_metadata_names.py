"""What the name of a model says: maker, family, size, version, tuning.

The rules are those by which llama.cpp's converter fills general.basename and its siblings (gguf-py, metadata.py), so
that a file of ours is called what a file of theirs is called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["basename", "size_label", "finetune", "version", "type"]

_VERSION = re.compile(r"(v|iter)?\d+([.]\d+)*", re.IGNORECASE)
_TYPE = re.compile(r"i?q\d(_\w)*|b?fp?(16|32)", re.IGNORECASE)
_SIZE = re.compile(r"(([A]|\d+[x])?\d+([._]\d+)?[KMBT][\d]?|small|mini|medium|large|x?xl)", re.IGNORECASE)
_TUNING = re.compile(r"chat|instruct|vision|lora", re.IGNORECASE)
_KEEPS_CASE = re.compile(r"v\d+(?:\.\d+)*|\d.*")


@dataclass(frozen=True, slots=True)
class NameParts:
    """The parts of a model's name; None where the name does not say."""

    name: str | None = None
    organization: str | None = None
    basename: str | None = None
    finetune: str | None = None
    version: str | None = None
    size_label: str | None = None


def title(text: str) -> str:
    """A name for people from a name for machines: "tiny-model-v2" becomes "Tiny Model v2"."""
    words = text.strip().replace("-", " ").split()
    return " ".join(w.title() if w.islower() and not _KEEPS_CASE.fullmatch(w) else w for w in words)


def name_parts(model_id: str, parameters: int) -> NameParts:
    """The parts of "maker/family-size-tuning-version". `parameters` tells a size from a context length."""
    if " " in model_id:
        return NameParts(name=model_id)
    maker, slash, full = model_id.partition("/")
    if not slash:
        maker, full = "", model_id
    words = [w for w in full.split("-") if w]
    roles: list[set[Role]] = [set() for _ in words]
    for i, word in enumerate(words):
        words[i], roles[i] = _role(word, first=i == 0, parameters=parameters)
    _drop_worded_sizes(words, roles)
    _find_basename(words, roles)
    organization = maker if slash and not maker.startswith(".") else None
    return _gathered(full, organization, words, roles)


def _role(word: str, *, first: bool, parameters: int) -> tuple[str, set[Role]]:
    if _VERSION.fullmatch(word):
        return word, {"version"}
    if _TYPE.fullmatch(word):
        return word.upper(), {"type"}
    if not first and _SIZE.fullmatch(word):
        return _size(word.replace("_", "."), parameters)
    return word, {"finetune"} if not first and _TUNING.fullmatch(word) else set()


def _size(word: str, parameters: int) -> tuple[str, set[Role]]:
    """A size with its unit in capitals; a length far from the model's own size describes its tuning ("128k")."""
    if word[-1].isdecimal():  # 7b1 means 7.1B
        word = f"{word[:-2]}.{word[-1]}{word[-2]}"
    if word[-2].isdecimal():
        word = word[:-1] + word[-1].upper()
    try:
        said = float(word[:-1]) * 1000.0 ** " KMBT".find(word[-1])
    except ValueError:
        return word, {"size_label"}
    if parameters and abs(said - parameters) > 7 * parameters // 8:
        return word[:-1] + word[-1].lower(), {"finetune"}
    return word, {"size_label"}


def _drop_worded_sizes(words: list[str], roles: list[set[Role]]) -> None:
    sizes = [i for i, r in enumerate(roles) if "size_label" in r]
    if any(c.isdecimal() for i in sizes for c in words[i]):
        for i in sizes:
            if words[i].isalpha():
                roles[i].discard("size_label")


def _find_basename(words: list[str], roles: list[set[Role]]) -> None:
    leading = True
    for word, role in zip(words, roles, strict=True):
        if leading and ((not role and word[0].isalpha()) or "version" in role):
            role.add("basename")
            continue
        leading = False
        if not role:
            role.add("finetune")
    for role in reversed(roles):  # a version that ends the basename is a version
        if "basename" not in role or len(role) == 1:
            break
        role.discard("basename")


def _gathered(full: str, organization: str | None, words: list[str], roles: list[set[Role]]) -> NameParts:
    def joined(role: Role, *but: Role) -> list[str]:
        return [w for w, r in zip(words, roles, strict=True) if role in r and not r & set(but)]

    size = "-".join(dict.fromkeys(joined("size_label"))) or None
    tuning = "-".join(joined("finetune")) or None
    version = "-".join(joined("version", "basename")) or None
    base = "-".join(joined("basename")) or None
    clear = size is not None or tuning is not None or version is not None
    return NameParts(full, organization, base if clear else None, tuning, version, size)
