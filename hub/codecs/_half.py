"""float16 and bfloat16 to float32 and back, in integer arithmetic on whole arrays.

NumPy converts half floats one by one, and takes forty times as long for results below 2**-14. Here ordinary values take
a few operations on 32 bits at a time; infinities, NaN and what overflows are left to NumPy, so every bit is its.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hub.codecs._kernel import Floats

Halves = NDArray[np.uint16]

_EXPONENT = np.uint32(0x7F800000)
_LEAST_NORMAL = np.uint32(0x38800000)  # 2**-14
_OVERFLOW = np.float32(65536)


def from_f16(raw: Halves) -> Floats:
    """The values of float16 bits: shifted into a float32's places, the exponent is too small by 112."""
    bits = raw.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= -0x70002000  # the sign was extended over the upper three places of the exponent
    out = bits.view(np.float32)
    out *= np.float32(2.0**112)
    if out.size and not max(float(out.max()), -float(out.min())) < _OVERFLOW:
        odd = np.flatnonzero(np.abs(out) >= _OVERFLOW)
        out.reshape(-1)[odd] = raw.reshape(-1)[odd].view(np.float16)
    return out


def to_f16(x: Floats) -> Halves:
    """float16 bits of values, rounded to nearest even.

    Adding 2**13 times the power of two below |x| leaves |x| rounded to 10 places in the lowest bits of the sum.
    """
    size = np.abs(x)
    power = np.clip(size.view(np.uint32), _LEAST_NORMAL, _EXPONENT)
    power &= _EXPONENT
    magic = power + np.uint32(13 << 23)
    total = magic.view(np.float32)
    total += size
    out = magic.astype(np.uint16)  # the sum's lowest bits; those of the magic number itself are zeros
    power >>= 13
    out += power.astype(np.uint16)
    out -= np.uint16(113 << 10 & 0xFFFF)
    np.right_shift(x.view(np.uint32), 16, out=power)
    sign = power.astype(np.uint16)
    sign &= 0x8000
    out |= sign
    if size.size and not size.max() < _OVERFLOW:
        odd = np.flatnonzero(~(size < _OVERFLOW))
        out.reshape(-1)[odd] = x.reshape(-1)[odd].astype(np.float16).view(np.uint16)
    return out


def from_bf16(raw: Halves) -> Floats:
    """The values of bfloat16 bits, the upper half of a float32."""
    out = raw.astype(np.uint32)
    out <<= 16
    return out.view(np.float32)


def to_bf16(x: Floats) -> Halves:
    """bfloat16 bits of values, rounded to nearest even; NaN stays NaN and becomes quiet (ggml_compute_fp32_to_bf16)."""
    bits = x.view(np.uint32)
    out = bits >> 16
    out &= 1
    out += bits
    out += 0x7FFF
    out >>= 16
    nan = np.isnan(x)
    if nan.any():
        out[nan] = bits[nan] >> 16 | 64
    return out.astype(np.uint16)
