"""CRC-32 as APR uses it everywhere: the IEEE polynomial, as zlib's.

A file is summed up in pieces by several threads. The sum of two runs of bytes follows from their own sums: with the
bits of a CRC as a polynomial over GF(2), it is a * x^(8n) + b modulo the CRC's polynomial, where n is the length of the
second run (Mark Adler, crc32_combine in zlib).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from hub_apr.container._image import Image

FOOTER = 4
_PIECE = 1 << 20

# Polynomials modulo the CRC's own, as zlib keeps them: x^0 is the highest of 32 bits.
_POLYNOMIAL = 0xEDB88320
_ONE, _X8 = 1 << 31, 1 << 23


def crc32(image: Image, stop: int) -> int:
    """CRC-32 of the first `stop` bytes of `image`, read once."""
    from zlib_ng.zlib_ng import crc32 as sum_up  # four times as fast as zlib's; both start slower than looking needs

    from hub.pipeline import each

    starts = range(0, stop, _PIECE)
    sums = [0] * len(starts)

    def one(number: int) -> None:
        sums[number] = sum_up(image.read(starts[number], min(_PIECE, stop - starts[number])))

    each(range(len(starts)), one, os.cpu_count() or 1)
    whole = 0
    for start, crc in zip(starts, sums, strict=True):
        whole = combined(whole, crc, min(_PIECE, stop - start))
    return whole


def combined(first: int, second: int, length: int) -> int:
    """CRC-32 of two runs of bytes one after another, from the CRC-32 of each and the `length` of the second."""
    return _product(_power(length), first) ^ second


@cache
def _power(nbytes: int) -> int:
    """The polynomial x^(8 * `nbytes`)."""
    out, square = _ONE, _X8
    while nbytes:
        if nbytes & 1:
            out = _product(out, square)
        square, nbytes = _product(square, square), nbytes >> 1
    return out


def _product(a: int, b: int) -> int:
    out = 0
    while a:
        if a & _ONE:
            out ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return out


@dataclass(frozen=True, slots=True)
class Footer:
    """The last four bytes of a file, and what they should be."""

    stored: int
    computed: int

    @property
    def valid(self) -> bool:
        """True when the file is as it was written."""
        return self.stored == self.computed


def footer(image: Image) -> Footer:
    """The footer of a whole file: CRC-32 of every byte before it."""
    end = image.size - FOOTER
    stored = int.from_bytes(image.read(end, FOOTER), "little")
    return Footer(stored, crc32(image, end))
