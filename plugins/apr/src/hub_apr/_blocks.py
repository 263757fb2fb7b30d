"""JSON blocks under `hub.` keys: plain where they are short and any JSON parser holds them, else deflated.

A deflated block is {"hub.zlib": base64 of the zlib stream, "size": bytes of the JSON text inside}.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile
from hub_apr.container import parse_json

LAYOUT = 1  # of all hub keys, as `hub.version` says it
PACKED = "hub.zlib"
LONGEST = 4096  # bytes of JSON that stay plain
_LARGEST = 1 << 30


def pack(value: Any) -> Any:
    """`value`, which JSON can hold, as a block."""
    text = json.dumps(value, separators=(",", ":"), default=_plain).encode()
    if len(text) <= LONGEST and not (isinstance(value, Mapping) and PACKED in value):
        kept = _kept(text)
        if kept is not None:
            return kept
    return deflated(text)


def _kept(text: bytes) -> Any:
    """The value as every parser reads it; None when a strict one would not, or would read another."""
    try:
        strict = parse_json(text)
    except ValueError:
        return None
    return strict if json.dumps(strict, separators=(",", ":")).encode() == text else None


def deflated(raw: bytes) -> dict[str, Any]:
    """`raw` as a deflated block."""
    return {PACKED: base64.b64encode(zlib.compress(raw)).decode(), "size": len(raw)}


def unpack(block: Any, key: str, file: Path) -> Any:
    """The value in `block`, which `file` holds under `key`; `DamagedFile` when it does not unpack."""
    if not (isinstance(block, dict) and PACKED in block):
        return block
    try:
        return json.loads(inflated(block, key, file))
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"metadata {key!r} holds no JSON: {error}", file=file) from None


def inflated(block: Mapping[str, Any], key: str, file: Path) -> bytes:
    """The bytes of a deflated block; never more than it announces."""
    match block:
        case {"hub.zlib": str(text), "size": int(size)} if 0 <= size <= _LARGEST:
            pass
        case _:
            raise DamagedFile(f"metadata {key!r} is no deflated block", file=file)
    try:
        engine = zlib.decompressobj()
        raw = engine.decompress(base64.b64decode(text, validate=True), size + 1)
    except (zlib.error, binascii.Error, ValueError) as error:
        raise DamagedFile(f"metadata {key!r} does not inflate: {error}", file=file) from None
    if len(raw) != size or not engine.eof:
        raise DamagedFile(f"metadata {key!r} inflates to another length than the {size} bytes it announces", file=file)
    return raw


def pack_files(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Companion files: text as it is where short, else deflated."""
    return {name: _file(data) for name, data in files.items()}


def _file(data: bytes) -> Any:
    try:
        return data.decode() if len(data) <= LONGEST else deflated(data)
    except UnicodeDecodeError:
        return deflated(data)


class Files(Mapping[str, bytes]):
    """Companion files in blocks; each is inflated when it is asked for.

    `DamagedFile` for a name that would lie outside a model's folder.
    """

    def __init__(self, blocks: Mapping[str, Any], file: Path) -> None:
        outside = [name for name in blocks if not _inside(name)]
        if outside:
            raise DamagedFile(f"metadata 'hub.files' names {outside[0]!r}, no file of a model's folder", file=file)
        self._blocks, self._file = blocks, file

    def __getitem__(self, name: str) -> bytes:
        block = self._blocks[name]
        return block.encode() if isinstance(block, str) else inflated(block, f"hub.files.{name}", self._file)

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)


def _inside(name: str) -> bool:
    """True when `name` is a relative path without a way out: a file may come from anybody."""
    odd = any(c in name for c in "\\:\0") or name.startswith("/")
    return not odd and all(part not in {"", ".", ".."} for part in name.split("/"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")
