"""Four-bit floats (E2M1) under a shared scale: MXFP4 and NVFP4.

MXFP4 is the OCP microscaling format: a power of two (E8M0) for 32 values. NVFP4 has an unsigned E4M3 for each 16 of 64
values. Layouts are those of `block_mxfp4` and `block_nvfp4` in ggml-common.h: within 32 (16) values the low nibbles are
the first half. The levels are doubled E2M1 values, so scales are halved.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hub.codecs._kernel import Decoder, Encoder, Floats, cut, folded, lay, nibble_levels, put, scaled, spread, words
from hub.ir import Bytes

_LEVELS = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)
_MIDDLES = tuple((a + b) / 2 for a, b in pairwise(_LEVELS[:8]))

_CODES = np.arange(256)
_E8M0 = np.ldexp(np.float32(1), _CODES - 128)
_UE4M3 = np.where(
    _CODES & 0x78 == 0, np.ldexp((_CODES & 7).astype(np.float32), -10),
    np.ldexp(1 + (_CODES & 7).astype(np.float32) / 8, (_CODES >> 3 & 15) - 8),
).astype(np.float32)  # fmt: skip
_UE4M3[0x7F] = 0


def _mxfp4(blocks: Bytes, out: Floats) -> None:
    q = lay(nibble_levels(cut(blocks, 1, 17), _LEVELS))
    scaled(q.view(np.int8), _E8M0[blocks[:, :1]], out)


def _nvfp4(blocks: Bytes, out: Floats) -> None:
    q = lay(nibble_levels(cut(blocks, 4, 36).reshape(-1, 8), _LEVELS))
    scaled(q.view(np.int8), _UE4M3[blocks[:, :4]], out)


def _encode_mxfp4(x: Floats, out: Bytes) -> None:
    size = np.abs(x)
    (most,) = folded(size, np.maximum)
    code = np.where(most > 0, np.floor(np.log2(most)) + np.float32(125), np.float32(0)).astype(np.uint8)
    size /= spread(_E8M0[code], x)
    q = np.zeros(x.shape, np.uint8)
    for middle in _MIDDLES:  # a value in the middle goes to the smaller level
        q += size > np.float32(middle)
    q |= np.left_shift((x < 0) & (q > 0), 3, dtype=np.uint8)
    odd = np.flatnonzero(~np.isfinite(most))
    if odd.size:  # the scale is far from the values, and rounding decides which level is nearest
        errors = _E8M0[code[odd]][:, :, None] * np.array(_LEVELS, np.float32) - x[odd, :, None]
        q[odd] = np.abs(errors).argmin(axis=2)
    low, high = (words(cut(q, side, side + 16)) for side in (0, 16))
    put(out, 0, code)
    put(out, 1, (low | high << np.uint64(4)).view(np.uint8).reshape(-1, 16))


DECODERS: dict[str, Decoder] = {"MXFP4": _mxfp4, "NVFP4": _nvfp4}
ENCODERS: dict[str, Encoder] = {"MXFP4": _encode_mxfp4}
