"""CRC-32 as APR uses it everywhere: the IEEE polynomial, `zlib.crc32`."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from hub_apr.container._image import Image, pieces

FOOTER = 4


def crc32(parts: Iterable[bytes]) -> int:
    """CRC-32 of `parts` one after another."""
    value = 0
    for part in parts:
        value = zlib.crc32(part, value)
    return value


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
    """The footer of a whole file: CRC-32 of every byte before it. Reads the file once, in pieces."""
    end = image.size - FOOTER
    stored = int.from_bytes(image.read(end, FOOTER), "little")
    return Footer(stored, crc32(pieces(image, 0, end)))
