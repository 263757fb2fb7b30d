"""Special ids, flags and chat templates of a Hugging Face folder, as llama.cpp's conversion script finds them.

The rules are those of `SpecialVocab` in gguf-py: which tokens begin and end a text is read off the post-processor, and
what it cannot tell comes from tokenizer_config.json; ids come from the added tokens, then from config.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.errors import DamagedFile
from hub_safetensors.tokenizer._folder import NAMED, Folder, text_of

# The script finds these too, and has no key to write them under.
NOT_WRITTEN = ("cls",)


@dataclass
class Special:
    """What a folder says beside its vocabulary."""

    ids: dict[str, int] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)
    chat_template: str | dict[str, str] | None = None


def find_special(folder: Folder, size: int | None = None) -> Special:
    """The special ids below `size` (all when None), the flags and the chat template of `folder`."""
    found = Special(chat_template=_chat_template(folder))
    names = _Names(folder)
    names.read_post_processor(found.flags)
    if folder.tokenizer_config:
        _from_tokenizer_config(folder, names, found)
    for name in names.types:
        _set(found.ids, name, _config_id(folder, name))
    found.flags |= dict(_normalizer_flags(folder.tokenizer.get("normalizer")))
    found.ids = {name: i for name, i in found.ids.items() if name not in NOT_WRITTEN and (size is None or i < size)}
    return found


def _from_tokenizer_config(folder: Folder, names: _Names, found: Special) -> None:
    ids: dict[str, int] = {}
    for token in folder.added():
        ids.setdefault(token["content"], token["id"])
    for name in names.types:
        stated = folder.tokenizer_config.get(f"add_{name}_token")
        if isinstance(stated, bool):
            found.flags.setdefault(f"add_{name}", stated)
        text = text_of(names.stated.get(name))
        if text is not None:
            _set(found.ids, name, ids.get(text))


def _set(ids: dict[str, int], name: str, i: Any) -> None:
    if type(i) is int and i >= 0:
        ids.setdefault(name, i)


def _config_id(folder: Folder, name: str) -> Any:
    key, inner = f"{name}_token_id", folder.config.get("text_config")
    i = folder.config.get(key)
    return inner.get(key) if i is None and isinstance(inner, dict) else i


def _normalizer_flags(normalizer: Any) -> Iterator[tuple[str, bool]]:
    if not isinstance(normalizer, dict):
        return
    kind = normalizer.get("type")
    if kind == "Lowercase":
        yield "lowercase", True
    elif kind == "StripAccents":
        yield "strip_accents", True
    elif kind == "BertNormalizer":
        yield from ((key, normalizer[key]) for key in ("lowercase", "strip_accents") if normalizer.get(key) is not None)
    elif kind == "Sequence":
        for step in normalizer.get("normalizers") or ():
            yield from _normalizer_flags(step)


class _Names:
    """The special tokens as tokenizer_config.json states them, which the post-processor may correct.

    A token stated as an object is compared as such, and so equals no text: gguf-py does it too.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.has_config = bool(folder.tokenizer_config)
        self.types: list[str] = list(NAMED)
        self.stated: dict[str, Any] = {n: folder.tokenizer_config.get(f"{n}_token") for n in (*NAMED, "eot", "eom")}
        if folder.tokenizer:
            self._default("bos", self.stated["cls"])
            self._default("eos", self.stated["sep"])

    def _default(self, name: str, token: Any) -> None:
        if token and not self.stated[name]:
            self.stated[name] = token

    def read_post_processor(self, flags: dict[str, bool]) -> None:
        """Set the flags that the post-processor tells."""
        processor = self.folder.tokenizer.get("post_processor")
        if not isinstance(processor, dict):
            return
        for step in processor.get("processors", [processor]):
            kind = step.get("type")
            if kind == "ByteLevel":
                flags.setdefault("add_bos", False)
                flags.setdefault("add_eos", False)
            elif kind == "RobertaProcessing":
                flags |= {"add_bos": True, "add_eos": True, "add_sep": True}
                self._default("cls", (step.get("cls") or [None])[0])
                self._default("sep", (step.get("sep") or [None])[0])
            elif kind == "TemplateProcessing":
                self._read_template(step, flags)

    def _read_template(self, step: dict[str, Any], flags: dict[str, bool]) -> None:
        single = step.get("single") or []
        first = last = None
        if len(single) > 1:
            first, last = _token(single[0]), _token(single[-1])
        if first:
            self._begin(first, flags)
        if last:
            self._end(last, flags)
        pair = step.get("pair") or []
        if pair:
            start = 1 if first and _token(pair[0]) == first else 0
            stop = -1 if last and _token(pair[-1]) == last else len(pair)
            self._separate(pair[start:stop], last, flags)

    def _begin(self, first: str, flags: dict[str, bool]) -> None:
        if not self.has_config:
            self.stated["bos"] = first
        elif first not in (self.stated["bos"], self.stated["cls"]):
            self._default("bos", first)
            self._default("cls", first)
        flags["add_bos"] = first in (self.stated["bos"], self.stated["cls"])

    def _end(self, last: str, flags: dict[str, bool]) -> None:
        other = next((name for name in ("eot", "eom") if name not in self.types), None)
        if self.has_config and last != self.stated["eos"] and other:
            self.types.append(other)
            self.stated[other] = self.stated["eos"]
        self.stated["eos"] = last
        flags["add_eos"] = True

    def _separate(self, pair: Sequence[dict[str, Any]], last: str | None, flags: dict[str, bool]) -> None:
        """What stands between two texts: A [sep] [eos] B."""
        if len(pair) < 3 or _sequence(pair[0]) != "A" or _sequence(pair[-1]) != "B":
            return
        middle = [_token(piece) for piece in pair[1:-1]]
        ends = (self.stated["sep"], self.stated["eos"])
        add = middle[0] is not None and middle[0] in ends and not last
        add = add or (len(middle) == 2 and middle[1] is not None and middle[1] in ends)
        flags["add_sep"] = add
        if add and self.has_config:
            self._default("sep", self.stated["eos"])


def _token(piece: dict[str, Any]) -> str | None:
    token = piece.get("SpecialToken")
    return token.get("id") if isinstance(token, dict) else None


def _sequence(piece: dict[str, Any]) -> str | None:
    part = piece.get("Sequence")
    return part.get("id") if isinstance(part, dict) else None


def _chat_template(folder: Folder) -> str | dict[str, str] | None:
    """One template, or several by name."""
    stated = folder.tokenizer_config.get("chat_template")
    if stated is None:
        stated = _template_files(folder)
    if isinstance(stated, list):
        named = {
            _name(t["name"]): t["template"] for t in stated if isinstance(t, dict) and {"name", "template"} <= t.keys()
        }
        stated = named["default"] if list(named) == ["default"] else named
    if stated is not None and not isinstance(stated, str | dict):
        kind = type(stated).__name__
        raise DamagedFile(f"chat_template is a {kind}, a string was expected", file="tokenizer_config.json")
    return stated or None


def _template_files(folder: Folder) -> Any:
    default = folder.text("chat_template.jinja")
    if default is None:
        return folder.json("chat_template.json").get("chat_template")
    prefix, suffix = "additional_chat_templates/", ".jinja"
    more = [name for name in folder.files if name.startswith(prefix) and name.endswith(suffix)]
    listed = [{"name": name[len(prefix) : -len(suffix)], "template": folder.text(name)} for name in more]
    return [{"name": "default", "template": default}, *listed] if more else default


def _name(name: str) -> str:
    """A template's name with what a GGUF key cannot hold replaced."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
