"""The header of an encrypted file: who can open it, and what is inside.

8 bytes   magic "hub.enc" and the version, 1
4 bytes   length n of the JSON, lowest byte first, at most 64 KiB
n bytes   JSON: content, salt, recipients
32 bytes  HMAC-SHA256 of everything before, under a key that is derived from the file's key
pieces    see `_pieces`, under another key that is derived from the file's key and `salt`
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hub.errors import DamagedFile, NotAuthentic, UnsupportedFile
from hub.signing._json import parse
from hub.signing.encryption._recipients import (
    MOST_LANES,
    MOST_MEMORY_KIB,
    MOST_PASSES,
    WRAPPED,
    ToKey,
    ToPassphrase,
    hkdf,
)

MAGIC = b"hub.enc"
VERSION = 1
LARGEST = 64 * 1024
MAC = 32
SALT = 16

Content = Literal["file", "folder"]
Entry = ToKey | ToPassphrase


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the pieces. `raw` is the header as it lies in the file, `mac` aside."""

    content: Content
    salt: bytes
    entries: tuple[Entry, ...]
    raw: bytes
    mac: bytes

    @classmethod
    def make(cls, content: Content, salt: bytes, entries: Sequence[Entry], file_key: bytes) -> Header:
        """The header for `entries`, authenticated with `file_key`."""
        value = {"content": content, "salt": _base64(salt), "recipients": [_document(e) for e in entries]}
        text = json.dumps(value, separators=(",", ":")).encode()
        if len(text) > LARGEST:
            raise UnsupportedFile(f"{len(entries)} recipients take a header of more than {LARGEST} bytes")
        raw = MAGIC + bytes([VERSION]) + len(text).to_bytes(4, "little") + text
        return cls(content, salt, tuple(entries), raw, _mac(raw, file_key))

    def payload_key(self, file_key: bytes, file: Path) -> bytes:
        """The key of the pieces; `NotAuthentic` when the header is not the one that was written."""
        if not hmac.compare_digest(self.mac, _mac(self.raw, file_key)):
            raise NotAuthentic("the header was changed", file=file)
        return hkdf(file_key, self.salt, "payload")


def read_header(read: Callable[[int], bytes], file: Path) -> Header:
    """The header, its numbers checked against what may be asked for, nothing authenticated yet."""
    start = read(len(MAGIC) + 1 + 4)
    if start[: len(MAGIC)] != MAGIC:
        raise DamagedFile("not a file that hub encrypt wrote", file=file, offset=0)
    if len(start) < len(MAGIC) + 5:
        raise DamagedFile("ends inside the header", file=file)
    if start[len(MAGIC)] != VERSION:
        raise UnsupportedFile(f"version {start[len(MAGIC)]}; {VERSION} is known", file=file, offset=len(MAGIC))
    size = int.from_bytes(start[-4:], "little")
    if size > LARGEST:
        raise DamagedFile(f"a header of {size} bytes; at most {LARGEST} are read", file=file, offset=8)
    text, mac = read(size), read(MAC)
    if len(text) + len(mac) < size + MAC:
        raise DamagedFile("ends inside the header", file=file)
    return _parsed(text, start + text, mac, file)


def _parsed(text: bytes, raw: bytes, mac: bytes, file: Path) -> Header:
    match parse(text, file):
        case {"content": "file" | "folder" as content, "salt": str(salt), "recipients": list(found), **others} if (
            found and not others
        ):
            entries = tuple(_entry(item, file) for item in found)
            if len(entries) > 1 and any(isinstance(e, ToPassphrase) for e in entries):
                raise DamagedFile("a passphrase stands beside other recipients; it must stand alone", file=file)
            return Header(content, _bytes(salt, SALT, file), entries, raw, mac)
        case _:
            raise DamagedFile("the header has other members than content, salt and recipients", file=file)


def _entry(item: Any, file: Path) -> Entry:
    match item:
        case {"type": ToKey.kind, "share": str(share), "key": str(key)} if len(item) == 3:
            return ToKey(_bytes(share, 32, file), _bytes(key, WRAPPED, file))
        case {"type": ToPassphrase.kind, "salt": str(salt), "memory_kib": int(memory), "passes": int(passes),
              "lanes": int(lanes), "key": str(key)} if len(item) == 6:  # fmt: skip
            _check_cost(memory, passes, lanes, file)
            return ToPassphrase(_bytes(salt, 16, file), memory, passes, lanes, _bytes(key, WRAPPED, file))
        case _:
            raise DamagedFile(f"recipient {str(item)[:80]} is of no known kind", file=file)


def _check_cost(memory_kib: int, passes: int, lanes: int, file: Path) -> None:
    """A header is not authenticated before Argon2id ran, so what it asks for is bounded first."""
    within = 1 <= lanes <= MOST_LANES and 8 * lanes <= memory_kib <= MOST_MEMORY_KIB and 1 <= passes <= MOST_PASSES
    if not within:
        asked = f"Argon2id with {memory_kib} KiB, {passes} passes, {lanes} lanes"
        most = f"{MOST_MEMORY_KIB} KiB (8 a lane at least), {MOST_PASSES} passes and {MOST_LANES} lanes"
        raise DamagedFile(f"the header asks for {asked}; at most {most} are allowed", file=file)


def _document(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, ToKey):
        return {"type": entry.kind, "share": _base64(entry.share), "key": _base64(entry.wrapped)}
    cost = {"memory_kib": entry.memory_kib, "passes": entry.passes, "lanes": entry.lanes}
    return {"type": entry.kind, "salt": _base64(entry.salt), **cost, "key": _base64(entry.wrapped)}


def _mac(raw: bytes, file_key: bytes) -> bytes:
    return hmac.digest(hkdf(file_key, b"", "header"), raw, "sha256")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str, size: int, file: Path) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != size:
        raise DamagedFile(f"{size} bytes in base64 were expected in the header, not {text[:80]!r}", file=file)
    return data
