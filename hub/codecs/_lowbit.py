"""One- and two-bit blocks: the ternary TQ1_0 and TQ2_0, and Q1_0 and Q2_0.

Layouts are those of `block_tq*_0`, `block_q1_0` and `block_q2_0` in ggml-common.h. TQ1_0 keeps five ternary digits in a
byte as a fraction of 256: multiplying by 3 moves the next digit above the byte.
"""

from __future__ import annotations

import numpy as np

from hub.codecs._kernel import Decoder, Encoder, Floats, half, put_half, reciprocal, round_away
from hub.ir import Bytes

# TQ1_0: (first byte, bytes, digits in each byte); digit k of a stretch's bytes gives consecutive values.
_STRETCHES = ((0, 32, 5), (32, 16, 5), (48, 4, 4))
_POWERS = np.array([1, 3, 9, 27, 81], np.uint8)[:, None]


def _tq1_0(blocks: Bytes, out: Floats) -> None:
    done = 0
    for at, count, digits in _STRETCHES:
        moved = blocks[:, None, at : at + count] * _POWERS[:digits]
        q = (moved.astype(np.uint16) * np.uint16(3) >> np.uint16(8)).astype(np.int8) - np.int8(1)
        out[:, done : done + digits * count] = q.reshape(len(blocks), -1)
        done += digits * count
    out *= half(blocks, 52)


def _tq2_0(blocks: Bytes, out: Floats) -> None:
    packed = blocks[:, :64].reshape(-1, 2, 1, 32)
    q = packed >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    q -= 1
    np.multiply(q.view(np.int8).reshape(len(blocks), 256), half(blocks, 64), out=out)


def _q1_0(blocks: Bytes, out: Floats) -> None:
    q = np.unpackbits(blocks[:, 2:], axis=1, bitorder="little")
    q <<= 1
    q -= 1
    np.multiply(q.view(np.int8), half(blocks, 0), out=out)


def _q2_0(blocks: Bytes, out: Floats) -> None:
    q = blocks[:, 2:, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    q -= 1
    np.multiply(q.view(np.int8).reshape(len(blocks), 64), half(blocks, 0), out=out)


def _ternary(x: Floats, out: Bytes, at: int) -> Bytes:
    """-1, 0, 1 as 0, 1, 2; stores the scale, the largest absolute value, at byte `at`."""
    d = np.abs(x).max(axis=1, keepdims=True)
    put_half(out, at, d)
    return (round_away(x * reciprocal(d)).astype(np.int8) + np.int8(1)).view(np.uint8)


def _encode_tq1_0(x: Floats, out: Bytes) -> None:
    q, done = _ternary(x, out, 52), 0
    for at, count, digits in _STRETCHES:
        stretch = q[:, done : done + digits * count].reshape(len(x), digits, count)
        number = (stretch * _POWERS[::-1][:digits]).sum(axis=1, dtype=np.uint16)
        out[:, at : at + count] = (number * np.uint16(256) + np.uint16(242)) // np.uint16(243)
        done += digits * count


def _encode_tq2_0(x: Floats, out: Bytes) -> None:
    q = _ternary(x, out, 64).reshape(len(x), 2, 4, 32) << np.array([0, 2, 4, 6], np.uint8)[:, None]
    out[:, :64] = np.bitwise_or.reduce(q, axis=2).reshape(len(x), 64)


DECODERS: dict[str, Decoder] = {"TQ1_0": _tq1_0, "TQ2_0": _tq2_0, "Q1_0": _q1_0, "Q2_0": _q2_0}
ENCODERS: dict[str, Encoder] = {"TQ1_0": _encode_tq1_0, "TQ2_0": _encode_tq2_0}
