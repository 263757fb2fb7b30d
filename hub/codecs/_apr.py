"""The APR container's own 4- and 8-bit encodings, which ignore rows.

APR_Q4: blocks of 32 values, a float16 scale and 16 bytes; value 2k in the low nibble of byte k, value 2k + 1 in the
high one; value = (nibble - 8) * scale. APR_Q8: one float32 scale for the tensor, then a signed byte for each value.
Both round halves away from zero. Source: the v2 container of aprender-core.
"""

from __future__ import annotations

import numpy as np

from hub.codecs._kernel import Decoder, Encoder, Floats, cut, folded, half, put, put_half, rounded, scaled, spread
from hub.ir import Bytes

# The container's decoder takes a scale that is not a normal float16 for 0; this is its bound, not 2**-14.
_LEAST_SCALE = np.float32(6.1e-5)


def _scale_of(most: Floats, top: int) -> Floats:
    """The largest absolute value over `top`, and 1 for a stretch of zeros."""
    return np.where(most == 0, np.float32(1), most / np.float32(top))


def _q4(blocks: Bytes, out: Floats) -> None:
    d = half(blocks, 0)
    d[~((np.abs(d) >= _LEAST_SCALE) & np.isfinite(d))] = 0
    packed = cut(blocks, 2, 18)
    q = np.stack([packed & 15, packed >> 4], axis=2)
    q -= 8
    scaled(q.view(np.int8), d, out)


def _encode_q4(x: Floats, out: Bytes) -> None:
    size = np.abs(x)
    (most,) = folded(size, np.maximum)
    d = _scale_of(most, 7)
    put_half(out, 0, d)
    size /= spread(d, x)
    q = np.clip(rounded(size, x), -8, 7).view(np.uint8)
    q += 8
    pairs = q.view(np.uint16)
    put(out, 2, (pairs | pairs >> 4).astype(np.uint8))


def clear_unused(block: Bytes, used: int) -> None:
    """Zero the nibbles of a last block behind its first `used` values, as the container's writer leaves them."""
    block[2 + (used + 1) // 2 :] = 0
    if used % 2:
        block[2 + used // 2] &= 15


def q8_scale(most: float) -> Floats:
    """The scale of a whole APR_Q8 tensor whose largest absolute value is `most`."""
    return _scale_of(np.array([most], np.float32), 127)


def decode_q8(scale: Floats, raw: Bytes) -> Floats:
    """Values of signed bytes under `scale`."""
    out = raw.view(np.int8).astype(np.float32)
    out *= scale
    return out


def encode_q8(scale: Floats, values: Floats) -> Bytes:
    """Signed bytes of values under `scale`."""
    size = np.abs(values)
    size /= scale
    q = rounded(size, values)
    return np.clip(q, -127, 127, out=q).view(np.uint8)


DECODERS: dict[str, Decoder] = {"APR_Q4": _q4}
ENCODERS: dict[str, Encoder] = {"APR_Q4": _encode_q4}
