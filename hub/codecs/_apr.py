"""The APR container's own 4- and 8-bit encodings, which ignore rows.

APR_Q4: blocks of 32 values, a float16 scale and 16 bytes; value 2k in the low nibble of byte k, value 2k + 1 in the
high one; value = (nibble - 8) * scale. APR_Q8: one float32 scale for the tensor, then a signed byte for each value.
Both round halves away from zero. Source: the v2 container of aprender-core.
"""

from __future__ import annotations

import numpy as np

from hub.codecs._kernel import Decoder, Encoder, Floats, half, put_half, round_away
from hub.ir import Bytes

# The container's decoder takes a scale that is not a normal float16 for 0; this is its bound, not 2**-14.
_LEAST_SCALE = np.float32(6.1e-5)


def _scale_of(most: Floats, top: int) -> Floats:
    """The largest absolute value over `top`, and 1 for a stretch of zeros."""
    return np.where(most == 0, np.float32(1), most / np.float32(top))


def _q4(blocks: Bytes, out: Floats) -> None:
    d = half(blocks, 0)
    d[~((np.abs(d) >= _LEAST_SCALE) & np.isfinite(d))] = 0
    packed = blocks[:, 2:]
    out[:, 0::2] = packed & 15
    out[:, 1::2] = packed >> 4
    out -= 8
    out *= d


def _encode_q4(x: Floats, out: Bytes) -> None:
    d = _scale_of(np.abs(x).max(axis=1, keepdims=True), 7)
    put_half(out, 0, d)
    q = (np.clip(round_away(x / d), -8, 7) + 8).astype(np.uint8)
    np.bitwise_or(q[:, 0::2], q[:, 1::2] << 4, out=out[:, 2:])


def clear_unused(block: Bytes, used: int) -> None:
    """Zero the nibbles of a last block behind its first `used` values, as the container's writer leaves them."""
    block[2 + (used + 1) // 2 :] = 0
    if used % 2:
        block[2 + used // 2] &= 15


def q8_scale(most: float) -> np.float32:
    """The scale of a whole APR_Q8 tensor whose largest absolute value is `most`."""
    return np.float32(1) if most == 0 else np.float32(most) / np.float32(127)


def decode_q8(scale: np.float32, raw: Bytes) -> Floats:
    """Values of signed bytes under `scale`."""
    out = raw.view(np.int8).astype(np.float32)
    out *= scale
    return out


def encode_q8(scale: np.float32, values: Floats) -> Bytes:
    """Signed bytes of values under `scale`."""
    return np.clip(round_away(values / scale), -127, 127).astype(np.int8).view(np.uint8)


DECODERS: dict[str, Decoder] = {"APR_Q4": _q4}
ENCODERS: dict[str, Encoder] = {"APR_Q4": _encode_q4}
