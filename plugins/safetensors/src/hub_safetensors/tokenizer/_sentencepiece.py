"""SentencePiece's model file: a protocol buffer, read and written without a library.

Messages and field numbers are those of sentencepiece_model.proto in github.com/google/sentencepiece; the wire format is
that of protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hub.errors import DamagedFile

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# Fields of ModelProto, and of the messages in it that matter here.
PIECES, TRAINER, NORMALIZER = 1, 2, 3
PIECE, SCORE, TYPE = 1, 2, 3
TRAINER_FIELDS = {"model_type": 3, "byte_fallback": 35, "unk_id": 40, "bos_id": 41, "eos_id": 42, "pad_id": 43}
VOCAB_SIZE = 4
NORMALIZER_NAME, ESCAPE_WHITESPACES = 1, 5
NORMALIZER_FIELDS = {"charsmap": 2, "add_dummy_prefix": 3, "remove_extra_whitespaces": 4}


@dataclass(frozen=True, slots=True)
class Piece:
    """A token: its text, score, and type (1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte)."""

    text: str
    score: float = 0.0
    type: int = 1


@dataclass(frozen=True, slots=True)
class ModelProto:
    """What a model file says. `model_type`: 1 Unigram, 2 BPE. Defaults are those of the message."""

    pieces: list[Piece]
    model_type: int = 1
    byte_fallback: bool = False
    unk_id: int = 0
    bos_id: int = 1
    eos_id: int = 2
    pad_id: int = -1
    charsmap: bytes = b""
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True


def parse(data: bytes, file: str) -> ModelProto:
    """The model in `data`; `DamagedFile` naming `file` and the offset when it is none."""
    pieces: list[Piece] = []
    facts: dict[str, Any] = {}
    for field, value, at in _fields(data, 0, len(data), file):
        if field == PIECES:
            pieces.append(_parse_piece(data, *_span(value, at, file), file))
        elif field == TRAINER:
            facts |= _facts(data, *_span(value, at, file), TRAINER_FIELDS, file)
        elif field == NORMALIZER:
            facts |= _facts(data, *_span(value, at, file), NORMALIZER_FIELDS, file)
    if not pieces:
        raise DamagedFile("a SentencePiece model was expected, there is no piece in it", file=file, offset=0)
    return ModelProto(pieces, **facts)


def _parse_piece(data: bytes, start: int, stop: int, file: str) -> Piece:
    text, score, kind = "", 0.0, 1
    for field, value, at in _fields(data, start, stop, file):
        if field == PIECE:
            a, b = _span(value, at, file)
            text = _text(data[a:b], a, file)
        elif field == SCORE and isinstance(value, float):
            score = value
        elif field == TYPE and isinstance(value, int):
            kind = value
    if not 1 <= kind <= 6:
        raise DamagedFile(f"a piece is of type {kind}, 1 to 6 was expected", file=file, offset=start)
    return Piece(text, score, kind)


def _facts(data: bytes, start: int, stop: int, names: dict[str, int], file: str) -> dict[str, Any]:
    by_number = {number: name for name, number in names.items()}
    found: dict[str, Any] = {}
    for field, value, _ in _fields(data, start, stop, file):
        name = by_number.get(field)
        if name == "charsmap" and isinstance(value, tuple):
            found[name] = data[value[0] : value[1]]
        elif name is not None and isinstance(value, int):
            is_flag = isinstance(getattr(ModelProto([]), name), bool)
            found[name] = bool(value) if is_flag else _signed(value)
    return found


def _fields(data: bytes, at: int, stop: int, file: str) -> Iterator[tuple[int, int | float | tuple[int, int], int]]:
    """Each field's number, its value (of a byte string, where it starts and stops), and where it stands."""
    while at < stop:
        start = at
        tag, at = _varint(data, at, stop, file)
        wire = tag & 7
        value: int | float | tuple[int, int]
        if wire == VARINT:
            value, at = _varint(data, at, stop, file)
        elif wire == BYTES:
            length, at = _varint(data, at, stop, file)
            value, at = (at, at + length), at + length
        elif wire in (FIXED32, FIXED64):
            width = 4 if wire == FIXED32 else 8
            value = struct.unpack_from("<f", data, at)[0] if wire == FIXED32 and at + 4 <= stop else 0
            at += width
        else:
            raise DamagedFile(f"a SentencePiece model has no wire type {wire}", file=file, offset=start)
        if at > stop:
            raise DamagedFile(f"field {tag >> 3} ends {at - stop} bytes after its message", file=file, offset=start)
        yield tag >> 3, value, start


def _varint(data: bytes, at: int, stop: int, file: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= stop:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DamagedFile("a number does not end where it should", file=file, offset=at)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _span(value: object, at: int, file: str) -> tuple[int, int]:
    if not isinstance(value, tuple):
        raise DamagedFile("a message was expected, a number is there", file=file, offset=at)
    return value


def _text(raw: bytes, at: int, file: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise DamagedFile(f"a piece is not UTF-8: {raw[:32]!r}", file=file, offset=at) from None


def serialize(model: ModelProto) -> bytes:
    """The bytes of a model file that says `model`."""
    trainer = b"".join(_number(number, getattr(model, name)) for name, number in TRAINER_FIELDS.items())
    trainer += _number(VOCAB_SIZE, len(model.pieces))
    normalizer = _bytes(NORMALIZER_NAME, b"user_defined" if model.charsmap else b"identity")
    for name, number in NORMALIZER_FIELDS.items():
        value = getattr(model, name)
        normalizer += _bytes(number, value) if isinstance(value, bytes) else _number(number, value)
    normalizer += _number(ESCAPE_WHITESPACES, True)
    pieces = b"".join(_bytes(PIECES, _piece(piece)) for piece in model.pieces)
    return pieces + _bytes(TRAINER, trainer) + _bytes(NORMALIZER, normalizer)


def _piece(piece: Piece) -> bytes:
    text = _bytes(PIECE, piece.text.encode()) + _tag(SCORE, FIXED32) + struct.pack("<f", piece.score)
    return text if piece.type == 1 else text + _number(TYPE, piece.type)


def _number(field: int, value: int) -> bytes:
    return _tag(field, VARINT) + _pack(value & (1 << 64) - 1)


def _bytes(field: int, value: bytes) -> bytes:
    return _tag(field, BYTES) + _pack(len(value)) + value


def _tag(field: int, wire: int) -> bytes:
    return _pack(field << 3 | wire)


def _pack(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
