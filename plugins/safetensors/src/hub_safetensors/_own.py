"""`hub.json`: what the other files of a folder cannot hold, so that nothing is lost on the way through it.

    {"schema": "hub/1",
     "made": {file: crc32 of what the hub made it},
     "config": {"added": [keys], "crc32": of config.json},
     "tokenizer": {"files": {file: crc32}, "left": ...},
     "metadata": {...}, "naming": "native", "ties": {alias: tensor}, "notes": [...],
     "source": {format: block}}

Parts are guarded by checksums: when somebody has changed the files since, what depends on them no longer counts, and
the source blocks count only while every made file is as it was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from hub.errors import DamagedFile
from hub_safetensors._companions import OWN, packed, unpacked
from hub_safetensors._json import read_object

_SCHEMA = "hub/1"
_PACK_FROM = 4 << 10


@dataclass(frozen=True, slots=True)
class Own:
    """A parsed hub.json, empty when there is none; `edited` names made files that somebody has changed since."""

    fields: Mapping[str, Any]
    path: Path
    edited: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Mapping[str, bytes], data: bytes | None, path: Path) -> Own:
        """The document in `data`, parts that no longer fit `files` left out."""
        if data is None:
            return cls({}, path)
        fields = read_object(data, path)
        schema = str(fields.get("schema"))
        if not schema.startswith("hub/"):
            return cls({}, path)  # a stranger's file of the same name
        if schema != _SCHEMA:
            raise DamagedFile(f"schema {schema!r} is of another release; {_SCHEMA!r} was expected", file=path)
        kept = dict(fields)
        made = _dict(fields, "made")
        kept["made"] = {name: crc for name, crc in made.items() if _crc(files, name) == crc}
        edited = tuple(sorted(made.keys() - kept["made"].keys()))
        if edited:  # another format's header describes the model as it was
            kept.pop("source", None)
        if _dict(fields, "config").get("crc32") != _crc(files, "config.json"):
            kept.pop("config", None)
        if not all(_crc(files, name) == crc for name, crc in _dict(_dict(fields, "tokenizer"), "files").items()):
            kept.pop("tokenizer")
        return cls(kept, path, edited)

    def part(self, name: str) -> dict[str, Any]:
        """An object of the document; empty when it is missing."""
        return _dict(self.fields, name)

    def source(self) -> dict[str, Any]:
        """The source blocks of other formats, unpacked."""
        return {name: _unpack(value, self.path) for name, value in self.part("source").items()}

    def config(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values of config.json as the model has them, without what was put in for the folder's sake."""
        added = set(self.part("config").get("added", ()))
        return {k: v for k, v in values.items() if k not in added}


def write_own(parts: Mapping[str, Any], source: Mapping[str, Any]) -> bytes | None:
    """The document of `parts` that say something and the `source` blocks; None when there is nothing to say."""
    said = {name: value for name, value in parts.items() if value}
    if source:
        said["source"] = {name: _pack(value) for name, value in source.items()}
    if not said:
        return None
    return (json.dumps({"schema": _SCHEMA, **said}, indent=1) + "\n").encode()


def checksums(files: Mapping[str, bytes], names: Iterable[str]) -> dict[str, int]:
    """The crc32 of each named file that is there."""
    return {name: crc32(files[name]) for name in names if name in files}


def _crc(files: Mapping[str, bytes], name: str) -> int | None:
    return crc32(files[name]) if name in files else None


def _dict(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _pack(value: Any) -> Any:
    text = json.dumps(value)
    return value if len(text) < _PACK_FROM else {"zlib": packed(text.encode())}


def _unpack(value: Any, path: Path) -> Any:
    if not isinstance(value, dict) or value.keys() != {"zlib"}:
        return value
    return read_object(b'{"block":' + unpacked(value["zlib"], path, f"a block of {OWN}") + b"}", path)["block"]
