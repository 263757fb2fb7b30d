"""The front matter of a model card: the YAML between two lines of dashes at the top of README.md.

Only what model cards use is understood: scalars, lists of scalars, lists of flat mappings, folded and literal text.
A key whose value nests deeper (`model-index`) is left to the file itself, which is carried verbatim.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# The card keys that huggingface.co documents; `write_card` writes these.
KEYS = (
    "license", "license_name", "license_link", "language", "tags", "base_model", "base_model_relation", "pipeline_tag",
    "library_name", "datasets", "metrics",
)  # fmt: skip

_LIMIT = 1 << 20
_FENCE = re.compile(r"\A﻿?\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.S | re.M)
_KEY = re.compile(r"([A-Za-z_][\w.-]*)[ \t]*:(?:[ \t]+(.*))?$")
_ITEM = re.compile(r"[ \t]*-(?:[ \t]+(.*))?$")
_PLAIN = re.compile(r"[A-Za-z0-9_./+()][\w ./+()-]*\Z")
_NUMBER = re.compile(r"[+-]?(\d+|\d+\.\d*|\.\d+)([eE][+-]?\d+)?\Z")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "yes": "yes", "no": "no", "on": "on", "off": "off"}


class _TooDeepError(ValueError):
    pass


def read_card(readme: bytes) -> dict[str, Any]:
    """The front matter's top-level values: scalars, lists of scalars or of flat mappings; empty when there is none.

    `no` and its like stay strings: in a model card they are languages.
    """
    found = _FENCE.match(readme[:_LIMIT].decode("utf-8", "replace"))
    values: dict[str, Any] = {}
    for key, inline, block in _entries(found.group(1)) if found else ():
        try:
            value = _block(block) if not inline or inline in {"|", ">", "|-", ">-"} else _scalar(inline)
        except _TooDeepError:
            continue
        if value is not None:
            values[key] = value
    return values


def write_card(metadata: Mapping[str, Any]) -> bytes | None:
    """A README.md that says what `metadata` says under `KEYS` and nothing else; None when that is nothing."""
    known = {key: metadata[key] for key in KEYS if _writable(metadata.get(key))}
    if not known:
        return None
    lines = ["---"]
    for key, value in known.items():
        if isinstance(value, str):
            lines.append(f"{key}: {_written(value)}")
        else:
            lines += [f"{key}:", *(f"- {_written(item)}" for item in value)]
    name = metadata.get("name")
    return "\n".join([*lines, "---", *(["", f"# {name}"] if isinstance(name, str) else []), ""]).encode()


def _entries(front: str) -> Iterator[tuple[str, str, list[str]]]:
    """Each top-level key with the text on its line and the lines below that belong to it."""
    key, inline, block = "", "", list[str]()
    for line in front.expandtabs(2).splitlines():
        entry = _KEY.match(line)
        if entry:
            if key:
                yield key, inline, block
            key, inline, block = entry.group(1), _uncommented(entry.group(2) or ""), []
        elif line.strip() and not line.lstrip().startswith("#"):
            block.append(line)
    if key:
        yield key, inline, block


def _block(lines: list[str]) -> Any:
    if not lines:
        return None
    if not _ITEM.match(lines[0]):
        if any(_KEY.match(line.strip()) for line in lines):
            raise _TooDeepError
        return " ".join(line.strip() for line in lines)
    items: list[Any] = []
    indent = len(lines[0]) - len(lines[0].lstrip())
    for line in lines:
        found = _ITEM.match(line)
        depth = len(line) - len(line.lstrip())
        if found and depth == indent:
            text = found.group(1) or ""
            pair = _KEY.match(text)
            items.append({pair.group(1): _flat(pair.group(2))} if pair else _scalar(_uncommented(text)))
        else:
            pair = _KEY.match(line.strip())
            if found or not pair or not items or not isinstance(items[-1], dict):
                raise _TooDeepError
            items[-1][pair.group(1)] = _flat(pair.group(2))
    return items


def _flat(text: str | None) -> Any:
    if not text:
        raise _TooDeepError
    return _scalar(_uncommented(text))


def _scalar(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [_scalar(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if _NUMBER.match(text) and len(text) < 40:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    return _WORDS.get(text.lower(), text)


def _uncommented(text: str) -> str:
    quoted = text.strip()[:1] in {"'", '"'}
    return text.strip() if quoted else re.sub(r"(^|\s+)#.*", "", text).strip()


def _writable(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value)
    return isinstance(value, Sequence) and bool(value) and all(isinstance(v, str) for v in value)


def _written(text: str) -> str:
    plain = _PLAIN.match(text) and text == text.strip() and _scalar(text) == text and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
