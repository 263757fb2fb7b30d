"""Which encodings can be decoded and encoded, and the way through their kernels."""

from __future__ import annotations

import numpy as np

from hub.codecs import _apr, _fp4, _iquants, _iquants_encode, _kquants, _kquants_encode, _legacy, _lowbit, _plain
from hub.codecs._kernel import Decoder, Encoder, Floats
from hub.codecs._plain import Values
from hub.errors import UnsupportedFile, UsageError
from hub.ir import ENCODINGS, Bytes, Encoding

# Values that one call of a kernel works on: its temporaries stay in the second-level cache.
_CHUNK = 1 << 17

_BLOCK_DECODERS: dict[str, Decoder] = (
    _legacy.DECODERS | _kquants.DECODERS | _iquants.DECODERS | _lowbit.DECODERS | _fp4.DECODERS | _apr.DECODERS
)
_BLOCK_ENCODERS: dict[str, Encoder] = (
    _legacy.ENCODERS | _kquants_encode.ENCODERS | _iquants_encode.ENCODERS | _lowbit.ENCODERS | _fp4.ENCODERS
    | _apr.ENCODERS
)  # fmt: skip

_DECODABLE = {*_plain.DECODERS, *_BLOCK_DECODERS, "APR_Q8"}
_ENCODABLE = {*_plain.ENCODERS, *_BLOCK_ENCODERS, "APR_Q8"}

ENCODABLE: tuple[str, ...] = tuple(name for name in ENCODINGS if name in _ENCODABLE)
"""Names of the encodings that `encode` can write, in the order of `hub.ir.ENCODINGS`."""


def can_decode(encoding: Encoding) -> bool:
    """True when `decode` knows what the bytes of `encoding` mean."""
    return encoding.name in _DECODABLE


def can_encode(encoding: Encoding) -> bool:
    """True when `encode` can write `encoding`."""
    return encoding.name in _ENCODABLE


def require_decoder(encoding: Encoding) -> None:
    """`UnsupportedFile` unless `encoding` can be decoded."""
    if not can_decode(encoding):
        raise UnsupportedFile(f"values in {encoding} cannot be decoded", hint="the tensor can be copied as it is")


def require_encoder(encoding: Encoding) -> None:
    """`UsageError` naming what can be written, unless `encoding` is among it."""
    if not can_encode(encoding):
        raise UsageError(f"{encoding} cannot be encoded", hint=f"choose one of {', '.join(ENCODABLE)}")


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
    if not raw.size:
        return np.empty((len(raw), columns), np.float32 if encoding.kind == "block" else _plain.dtype_of(encoding.name))
    with np.errstate(all="ignore"):
        if encoding.name in _plain.DECODERS:
            return _plain.DECODERS[encoding.name](raw)
        if encoding.name == "APR_Q8":
            return _apr.decode_q8(raw[0, :4].view(np.float32), raw[:, 4:])
        return _decode_blocks(encoding, raw, columns)


def _decode_blocks(encoding: Encoding, raw: Bytes, columns: int) -> Floats:
    kernel, blocks = _BLOCK_DECODERS[encoding.name], raw.reshape(-1, encoding.nbytes)
    out = np.empty((len(blocks), encoding.block), np.float32)
    step = _CHUNK // encoding.block
    for at in range(0, len(blocks), step):
        kernel(blocks[at : at + step], out[at : at + step])
    return np.ascontiguousarray(out.reshape(len(raw), -1)[:, :columns])


def encode(encoding: Encoding, values: Values) -> Bytes:
    """Stored rows of values: [rows, columns] to uint8 [rows, encoding.row_nbytes(columns)].

    Blocks are those of ggml's quantizers without an importance matrix (`ggml_quantize_chunk`), bit for bit; a short
    last block is filled up with zeros. Integers and booleans must hold every value exactly (`UsageError` otherwise). A
    flat encoding takes one row. `UsageError` for encodings that cannot be written yet.
    """
    require_encoder(encoding)
    rows, columns = values.shape
    if not values.size:
        return np.empty((rows, encoding.row_nbytes(columns)), np.uint8)
    with np.errstate(all="ignore"):
        if encoding.name in _plain.ENCODERS:
            return _plain.ENCODERS[encoding.name](values).reshape(rows, -1)
        x = np.ascontiguousarray(values, np.float32)
        if encoding.name == "APR_Q8":
            scale = _apr.q8_scale(float(np.abs(x).max()))
            return np.concatenate([scale.view(np.uint8)[None], _apr.encode_q8(scale, x)], axis=1)
        return _encode_blocks(encoding, x)


def _encode_blocks(encoding: Encoding, x: Floats) -> Bytes:
    rows, columns = x.shape
    short = -columns % encoding.block
    blocks = (np.pad(x, ((0, 0), (0, short))) if short else x).reshape(-1, encoding.block)
    kernel, step = _BLOCK_ENCODERS[encoding.name], _CHUNK // encoding.block
    out = np.empty((len(blocks), encoding.nbytes), np.uint8)
    for at in range(0, len(blocks), step):
        kernel(blocks[at : at + step], out[at : at + step])
    if short and encoding.name == "APR_Q4":
        _apr.clear_unused(out[-1], encoding.block - short)
    return out.reshape(rows, -1)
