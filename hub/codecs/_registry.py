"""Which encodings can be decoded and encoded, and the way through their codecs."""

from __future__ import annotations

import numpy as np

from hub.codecs import _choice
from hub.codecs._kernel import Floats
from hub.codecs._plain import Values
from hub.codecs._reference import reference
from hub.errors import UnsupportedFile, UsageError
from hub.ir import ENCODINGS, Bytes, Encoding

ENCODABLE: tuple[str, ...] = tuple(name for name in ENCODINGS if name in reference.encodes)
"""Names of the encodings that NumPy can write, in the order of `hub.ir.ENCODINGS`."""


def encodable() -> tuple[str, ...]:
    """Names of the encodings that the codecs in use can write, those included that need an importance matrix."""
    theirs = {name for codec in _choice.asked() for name in codec.encodes | codec.weighs}
    return tuple(name for name in ENCODINGS if name in theirs)


def can_decode(encoding: Encoding) -> bool:
    """True when `decode` knows what the bytes of `encoding` mean."""
    return encoding.name in reference.decodes


def can_encode(encoding: Encoding) -> bool:
    """True when `encode` can write `encoding`, at least under an importance."""
    return encoding.name in reference.encodes or encoding.name in encodable()


def require_decoder(encoding: Encoding) -> None:
    """`UnsupportedFile` unless `encoding` can be decoded."""
    if not can_decode(encoding):
        raise UnsupportedFile(f"values in {encoding} cannot be decoded", hint="the tensor can be copied as it is")


def require_encoder(encoding: Encoding) -> None:
    """`UsageError` naming what can be written, unless `encoding` is among it."""
    if not can_encode(encoding):
        raise UsageError(f"{encoding} cannot be encoded", hint=f"choose one of {', '.join(encodable())}")


def decode(encoding: Encoding, raw: Bytes, columns: int) -> Values:
    """The values of stored rows: uint8 [rows, encoding.row_nbytes(columns)] to [rows, columns].

    float64 for F64, the integer type for integers, bool for BOOL, float32 for everything else. Blocks decode bit for
    bit as ggml defines them (`dequantize_row_*`); scales that are NaN or infinite go through. A padded last block is
    cut. A flat encoding has one row. `UnsupportedFile` for encodings that have no values here.
    """
    require_decoder(encoding)
    if raw.shape[1:] != (encoding.row_nbytes(columns),):
        raise ValueError(f"{columns} columns in {encoding} take {encoding.row_nbytes(columns)} bytes, not {raw.shape}")
    raw = np.ascontiguousarray(raw)
    return _choice.decoder(encoding, raw, columns).decode(encoding, raw, columns)


def encode(encoding: Encoding, values: Values, importance: Floats | None = None) -> Bytes:
    """Stored rows of values: [rows, columns] to uint8 [rows, encoding.row_nbytes(columns)].

    Blocks are those of ggml's quantizers (`ggml_quantize_chunk`), bit for bit; a short last block is filled up with
    zeros. `importance`, float32 [columns], weighs the errors of each column as an importance matrix of llama.cpp does.
    Integers and booleans must hold every value exactly (`UsageError` otherwise). A flat encoding takes one row.
    `UsageError` for encodings that cannot be written, or not so.
    """
    require_encoder(encoding)
    if values.dtype == np.float32:
        values = np.require(values, requirements=["C", "A"])
    codec = _choice.encoder(encoding, values, importance is not None)
    if encoding.name not in codec.encodes | (codec.weighs if importance is not None else frozenset()):
        hint = "--imatrix FILE gives one" if encoding.name in encodable() else None
        raise UsageError(f"{encoding} cannot be encoded without an importance matrix", hint=hint)
    return codec.encode(encoding, values, importance)


def transcode(old: Encoding, new: Encoding, raw: Bytes, columns: int) -> Bytes:
    """Stored rows in one encoding as stored rows in another one: as decoding and encoding, without what lies between.

    Both must be stored in rows of `columns` values.
    """
    whole = raw.size and columns % old.block == 0 == columns % new.block and not old.flat and not new.flat
    if whole:
        raw = np.ascontiguousarray(raw)
        done = _choice.fused(old, new, raw)
        if done is not None:
            return done
    return encode(new, decode(old, raw, columns))
