"""The NumPy codec: what every other one must equal, and what does all that no other one does."""

from __future__ import annotations

import numpy as np

from hub.codecs import _apr, _fp4, _iquants, _iquants_encode, _kquants, _kquants_encode, _legacy, _lowbit, _plain
from hub.codecs._kernel import Decoder, Encoder, Floats
from hub.codecs._plain import Values
from hub.ir import Bytes, Encoding

# Values that one call of a kernel works on: its temporaries stay in the second-level cache.
_CHUNK = 1 << 17

_BLOCK_DECODERS: dict[str, Decoder] = (
    _legacy.DECODERS | _kquants.DECODERS | _iquants.DECODERS | _lowbit.DECODERS | _fp4.DECODERS | _apr.DECODERS
)
_BLOCK_ENCODERS: dict[str, Encoder] = (
    _legacy.ENCODERS | _kquants_encode.ENCODERS | _iquants_encode.ENCODERS | _lowbit.ENCODERS | _fp4.ENCODERS
    | _apr.ENCODERS
)  # fmt: skip


class Reference:
    """NumPy's kernels. They take any rows: short last blocks, integers, float64."""

    name = "numpy"
    decodes = frozenset({*_plain.DECODERS, *_BLOCK_DECODERS, "APR_Q8"})
    encodes = frozenset({*_plain.ENCODERS, *_BLOCK_ENCODERS, "APR_Q8"})
    weighs: frozenset[str] = frozenset()

    def decode(self, encoding: Encoding, raw: Bytes, columns: int) -> Values:
        """As `hub.codecs.decode`."""
        if not raw.size:
            kind = np.float32 if encoding.kind == "block" else _plain.dtype_of(encoding.name)
            return np.empty((len(raw), columns), kind)
        with np.errstate(all="ignore"):
            if encoding.name in _plain.DECODERS:
                return _plain.DECODERS[encoding.name](raw)
            if encoding.name == "APR_Q8":
                return _apr.decode_q8(raw[0, :4].view(np.float32), raw[:, 4:])
            return _decode_blocks(encoding, raw, columns)

    def encode(self, encoding: Encoding, values: Values, importance: Floats | None = None) -> Bytes:
        """As `hub.codecs.encode`, without importance."""
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


def _decode_blocks(encoding: Encoding, raw: Bytes, columns: int) -> Floats:
    kernel, blocks = _BLOCK_DECODERS[encoding.name], raw.reshape(-1, encoding.nbytes)
    out = np.empty((len(blocks), encoding.block), np.float32)
    step = _CHUNK // encoding.block
    for at in range(0, len(blocks), step):
        kernel(blocks[at : at + step], out[at : at + step])
    return np.ascontiguousarray(out.reshape(len(raw), -1)[:, :columns])


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


reference = Reference()
