"""IQ types: groups of 4 or 8 values are points of a lattice, with signs apart; IQ4 has a table of 16 levels.

Layouts are those of `block_iq*` in ggml-common.h, arithmetic that of `dequantize_row_iq*` in ggml-quants.c.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from hub.codecs._grids import grid
from hub.codecs._kernel import Decoder, Floats, Words, bits_of, cut, half, lay, nibble_levels, scaled
from hub.ir import Bytes

_WORD = {4: np.uint32, 8: np.uint64}
LEVELS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""What the four bits of IQ4_NL and IQ4_XS stand for (kvalues_iq4nl)."""


@cache
def _points(name: str) -> NDArray[np.unsignedinteger]:
    """The lattice with each point's int8 values in one word."""
    table = grid(name)
    return table.view(_WORD[table.shape[1]]).reshape(-1)


@cache
def _masks() -> Words:
    """For a byte of sign bits, a word whose byte k is 255 where bit k is set."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    return (bits * np.uint8(255)).view(np.uint64).reshape(-1)


@cache
def _even() -> Words:
    """As `_masks` for 7 sign bits; the eighth makes the number of minus signs even."""
    seven = np.arange(128)
    parity = np.array([bin(i).count("1") & 1 for i in seven])
    return np.take(_masks(), seven | parity << 7)


def _signed(points: NDArray[np.unsignedinteger], masks: Words) -> NDArray[np.int8]:
    """The points' values, negated where the masks say; values are 1 to 127, so no byte carries into the next."""
    words = points.view(np.uint64)
    words ^= masks.reshape(words.shape)
    words += masks.reshape(words.shape) & np.uint64(0x0101010101010101)
    return words.view(np.int8)


def _halves(packed: Bytes) -> Bytes:
    """Nibbles in order, the low one of each byte first: [n, 2k] out of [n, k]."""
    return np.stack([packed & 15, packed >> 4], axis=2).reshape(len(packed), -1)


def _sevens(words: NDArray[np.uint32]) -> Words:
    """Sign masks of the four 7-bit fields in each word, [n, 4k] out of [n, k]."""
    fields = words[:, :, None] >> np.array([0, 7, 14, 21], np.uint32) & np.uint32(127)
    return np.take(_even(), fields.reshape(len(words), -1))


def _iq2_xxs(blocks: Bytes, out: Floats) -> None:
    index, packed = cut(blocks, 2, 66).view(np.uint32).reshape(-1, 2).T.copy()
    points = np.take(_points("IQ2_XXS"), index.view(np.uint8))
    signs = packed.reshape(len(blocks), 8)
    scales = half(blocks, 0) * (np.float32(0.5) + (signs >> 28).astype(np.float32)) * np.float32(0.25)
    scaled(_signed(points, _sevens(signs)), scales, out)


def _iq2_xs(blocks: Bytes, out: Floats) -> None:
    packed = cut(blocks, 2, 66).view(np.uint16)
    scales = half(blocks, 0) * (np.float32(0.5) + _halves(cut(blocks, 66, 74))) * np.float32(0.25)
    points = np.take(_points("IQ2_XS"), packed & np.uint16(511))
    scaled(_signed(points, np.take(_even(), packed >> 9)), scales, out)


def _iq2_s(blocks: Bytes, out: Floats) -> None:
    high = cut(blocks, 66, 74)[:, :, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    index = high.reshape(-1, 32).astype(np.uint16) << 8 | cut(blocks, 2, 34)
    scales = half(blocks, 0) * (np.float32(0.5) + _halves(cut(blocks, 74, 82))) * np.float32(0.25)
    points = np.take(_points("IQ2_S"), index)
    scaled(_signed(points, np.take(_masks(), cut(blocks, 34, 66))), scales, out)


def _iq3_xxs(blocks: Bytes, out: Floats) -> None:
    signs = cut(blocks, 66, 98).view(np.uint32)
    scales = half(blocks, 0) * (np.float32(0.5) + (signs >> 28).astype(np.float32)) * np.float32(0.5)
    points = np.take(_points("IQ3_XXS"), cut(blocks, 2, 66))
    scaled(_signed(points, _sevens(signs)), scales, out)


def _iq3_s(blocks: Bytes, out: Floats) -> None:
    index = bits_of(cut(blocks, 66, 74)).astype(np.uint16) << 8 | cut(blocks, 2, 66)
    scales = half(blocks, 0) * (1 + 2 * _halves(cut(blocks, 106, 110)))
    points = np.take(_points("IQ3_S"), index)
    scaled(_signed(points, np.take(_masks(), cut(blocks, 74, 106))), scales, out)


@cache
def _shifted() -> Words:
    """IQ1's lattice as eight times (point + 1/8), then again as eight times (point - 1/8)."""
    points = 8 * grid("IQ1_S")
    return np.concatenate([points + np.int8(1), points - np.int8(1)]).view(np.uint64).reshape(-1)


def _iq1_s(blocks: Bytes, out: Floats) -> None:
    packed = cut(blocks, 34, 50).view(np.uint16)
    high = packed[:, :, None] >> np.array([0, 3, 6, 9], np.uint16) & np.uint16(7)
    high |= (packed >> 15 << 3)[:, :, None]
    index = high.reshape(-1, 32) << 8 | cut(blocks, 2, 34)
    scales = half(blocks, 0) * (2 * (packed >> 12 & 7) + 1) * np.float32(0.125)
    scaled(np.take(_shifted(), index).view(np.int8), scales, out)


def _iq1_m(blocks: Bytes, out: Floats) -> None:
    packed = cut(blocks, 48, 56).view(np.uint16)
    parts = (packed & np.uint16(0xF000)) >> np.array([12, 8, 4, 0], np.uint16)
    d = np.bitwise_or.reduce(parts, axis=1, keepdims=True).view(np.float16).astype(np.float32)
    small = packed[:, :, None] >> np.array([0, 3, 6, 9], np.uint16) & np.uint16(7)
    index = _halves(cut(blocks, 32, 48)).astype(np.uint16) << 8 | cut(blocks, 0, 32)
    scales = d * (2 * small.reshape(-1, 16) + 1) * np.float32(0.125)
    scaled(np.take(_shifted(), index).view(np.int8), scales, out)


def _iq4_nl(blocks: Bytes, out: Floats) -> None:
    q = lay(nibble_levels(cut(blocks, 2, 18), LEVELS))
    scaled(q.view(np.int8), half(blocks, 0), out)


def _iq4_xs(blocks: Bytes, out: Floats) -> None:
    high = cut(blocks, 2, 4).view(np.uint16) >> np.arange(0, 16, 2, dtype=np.uint16) & np.uint16(3)
    small = (high.astype(np.uint8) << 4 | _halves(cut(blocks, 4, 8))).view(np.int8) - np.int8(32)
    q = lay(nibble_levels(cut(blocks, 8, 136).reshape(-1, 16), LEVELS))
    scaled(q.view(np.int8), half(blocks, 0) * small, out)


DECODERS: dict[str, Decoder] = {
    "IQ2_XXS": _iq2_xxs, "IQ2_XS": _iq2_xs, "IQ2_S": _iq2_s, "IQ3_XXS": _iq3_xxs, "IQ3_S": _iq3_s,
    "IQ1_S": _iq1_s, "IQ1_M": _iq1_m, "IQ4_NL": _iq4_nl, "IQ4_XS": _iq4_xs,
}  # fmt: skip
