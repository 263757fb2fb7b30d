"""One- and two-bit blocks: the ternary TQ1_0 and TQ2_0, and Q1_0 and Q2_0.

Layouts are those of `block_tq*_0`, `block_q1_0` and `block_q2_0` in ggml-common.h. TQ1_0 keeps five ternary digits in a
byte as a fraction of 256: multiplying by 3 moves the next digit above the byte.
"""

from __future__ import annotations

import numpy as np

from hub.codecs._kernel import (
    Decoder,
    Encoder,
    Floats,
    bits_of,
    cut,
    fields,
    folded,
    half,
    lay,
    put,
    put_half,
    reciprocal,
    rounded,
    scaled,
    spread,
    words,
)
from hub.ir import Bytes

# TQ1_0: (first byte, bytes, digits in each byte); digit k of a stretch's bytes gives consecutive values.
_STRETCHES = ((0, 32, 5), (32, 16, 5), (48, 4, 4))
_POWERS = (1, 3, 9, 27, 81)


def _tq1_0(blocks: Bytes, out: Floats) -> None:
    moved, done = np.empty((len(blocks), 256), np.uint8), 0
    for at, count, digits in _STRETCHES:
        packed = cut(blocks, at, at + count)
        put(moved, done, lay([packed * np.uint8(power) for power in _POWERS[:digits]]))
        done += digits * count
    # The digit is the byte's thirds: floor(3 * byte / 256).
    q = (moved > 85).view(np.int8) + (moved > 170).view(np.int8)
    q -= 1
    scaled(q, half(blocks, 52), out)


def _tq2_0(blocks: Bytes, out: Floats) -> None:
    q = lay(fields(cut(blocks, 0, 64).reshape(-1, 32), 2))
    q -= 1
    scaled(q.view(np.int8), half(blocks, 64), out)


def _q1_0(blocks: Bytes, out: Floats) -> None:
    q = bits_of(cut(blocks, 2, 18))
    q <<= 1
    q -= 1
    scaled(q.view(np.int8), half(blocks, 0), out)


def _q2_0(blocks: Bytes, out: Floats) -> None:
    q = np.stack(fields(cut(blocks, 2, 18), 2), axis=2)
    q -= 1
    scaled(q.view(np.int8), half(blocks, 0), out)


def _ternary(x: Floats, out: Bytes, at: int) -> Bytes:
    """-1, 0, 1 as 0, 1, 2; stores the scale, the largest absolute value, at byte `at`."""
    size = np.abs(x)
    (d,) = folded(size, np.maximum)
    put_half(out, at, d)
    size *= spread(reciprocal(d), x)
    q = rounded(size, x)
    q += 1
    return q.view(np.uint8)


def _encode_tq1_0(x: Floats, out: Bytes) -> None:
    q, done = _ternary(x, out, 52), 0
    for at, count, digits in _STRETCHES:
        number = np.zeros((len(x), count), np.uint16)
        for power in _POWERS[::-1][:digits]:
            number += cut(q, done, done + count) * np.uint8(power)
            done += count
        number *= 256
        number += 242
        number //= 243
        put(out, at, number.astype(np.uint8))


def _encode_tq2_0(x: Floats, out: Bytes) -> None:
    q = words(_ternary(x, out, 64)).reshape(-1, 4, 4)  # [halves of a block, fields, 32 bytes]
    packed = q[:, 0] | q[:, 1] << np.uint64(2) | q[:, 2] << np.uint64(4) | q[:, 3] << np.uint64(6)
    put(out, 0, packed.view(np.uint8).reshape(-1, 64))


DECODERS: dict[str, Decoder] = {"TQ1_0": _tq1_0, "TQ2_0": _tq2_0, "Q1_0": _q1_0, "Q2_0": _q2_0}
ENCODERS: dict[str, Encoder] = {"TQ1_0": _encode_tq1_0, "TQ2_0": _encode_tq2_0}
