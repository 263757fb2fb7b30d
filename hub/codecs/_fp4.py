"""Four-bit floats (E2M1) under a shared scale: MXFP4 and NVFP4.

MXFP4 is the OCP microscaling format: a power of two (E8M0) for 32 values. NVFP4 has an unsigned E4M3 for each 16 of 64
values. Layouts are those of `block_mxfp4` and `block_nvfp4` in ggml-common.h: within 32 (16) values the low nibbles are
the first half. The tables hold doubled E2M1 values, so scales are halved.
"""

from __future__ import annotations

import numpy as np

from hub.codecs._kernel import Decoder, Encoder, Floats
from hub.ir import Bytes

_DOUBLED = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)
_CODES = np.arange(256)
_E8M0 = np.ldexp(np.float32(1), _CODES - 128)
_UE4M3 = np.where(
    _CODES & 0x78 == 0, np.ldexp((_CODES & 7).astype(np.float32), -10),
    np.ldexp(1 + (_CODES & 7).astype(np.float32) / 8, (_CODES >> 3 & 15) - 8),
).astype(np.float32)  # fmt: skip
_UE4M3[0x7F] = 0


def _mxfp4(blocks: Bytes, out: Floats) -> None:
    d = _E8M0[blocks[:, :1]]
    np.multiply(_DOUBLED[blocks[:, 1:] & 15], d, out=out[:, :16])
    np.multiply(_DOUBLED[blocks[:, 1:] >> 4], d, out=out[:, 16:])


def _nvfp4(blocks: Bytes, out: Floats) -> None:
    n = len(blocks)
    packed = blocks[:, 4:].reshape(n, 4, 1, 8)
    q = _DOUBLED[np.concatenate([packed & 15, packed >> 4], axis=2)]
    np.multiply(q, _UE4M3[blocks[:, :4]][:, :, None, None], out=out.reshape(n, 4, 2, 8))


def _encode_mxfp4(x: Floats, out: Bytes) -> None:
    most = np.abs(x).max(axis=1, keepdims=True)
    code = np.where(most > 0, np.floor(np.log2(most)) + np.float32(125), np.float32(0)).astype(np.uint8)
    d = _E8M0[code]
    error = np.abs(d[:, :, None] * _DOUBLED.astype(np.float32) - x[:, :, None])
    q = error.argmin(axis=2).astype(np.uint8)
    out[:, :1] = code
    np.bitwise_or(q[:, :16], q[:, 16:] << 4, out=out[:, 1:])


DECODERS: dict[str, Decoder] = {"MXFP4": _mxfp4, "NVFP4": _nvfp4}
ENCODERS: dict[str, Encoder] = {"MXFP4": _encode_mxfp4}
