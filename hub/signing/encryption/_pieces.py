"""Authenticated pieces: AES-256-GCM over one piece after another, each bound to its place.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", 2015), as age uses it: the nonce of a piece is its index, 11 bytes with the highest first, and one
byte that is 1 in the last piece. So pieces cannot change places, be left out, come twice, or be cut off at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hub.errors import NotAuthentic

PIECE = 1 << 20
TAG = 16


def seal(chunks: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    """The encrypted pieces of a text given in chunks of any size; `key` (32 bytes) must never have been used before."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(key)
    for index, (piece, last) in enumerate(_cut(chunks)):
        yield cipher.encrypt(_nonce(index, last=last), piece, None)


def unseal(read: Callable[[int], bytes], key: bytes, file: Path) -> Iterator[bytes]:
    """The text in pieces, each authenticated before it is given out; `read(n)` gives n bytes, fewer only at the end.

    Raises `NotAuthentic` at the first piece that is not what was written there; only when the iterator ends by itself
    has the last piece been seen.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher, index, ahead = AESGCM(key), 0, read(PIECE + TAG)
    while ahead or not index:
        piece, ahead = ahead, read(PIECE + TAG)
        try:
            text = cipher.decrypt(_nonce(index, last=not ahead), piece, None)
        except (InvalidTag, ValueError):
            raise NotAuthentic(f"piece {index} is not what was encrypted: {_guess(ahead)}", file=file) from None
        if index and not text:
            raise NotAuthentic(f"piece {index} is empty, which no piece after the first is", file=file)
        yield text
        index += 1


def _guess(ahead: bytes) -> str:
    return (
        "it was changed or moved, or bytes follow the end"
        if ahead
        else "it was changed or moved, or the end is cut off"
    )


def _cut(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Pieces of `PIECE` bytes and whether each is the last; the last is empty only when there is nothing at all."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) > PIECE:
            yield bytes(held[:PIECE]), False
            del held[:PIECE]
    yield bytes(held), True


def _nonce(index: int, *, last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([last])
